//! A verb that serves many devices with one call: `together: { name, payload }`. Answers are the fake devices' own, as those of
//! `invoke_method`, so that both can be compared.

use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{FutureExt as _, LocalBoxFuture, join_all};
use iotplay_runner::book::{Check, Filled, Node};
use iotplay_runner::{Action, Batch, Class, Effect, Failure, Gathers, Outcome, Plugin, Progress, Ready, StepContext};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::world::{Reply, Shared};

/// Longer than whatever a test waits for.
const LONG: Duration = Duration::from_secs(1_000_000);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    name: Filled<String>,
    payload: Option<Filled<Value>>,
    /// Served, but some never get an outcome.
    #[serde(default)]
    forgets: bool,
    /// Nothing begins.
    #[serde(default)]
    stuck: bool,
    /// What became of a device is found out an hour later.
    #[serde(default)]
    slow: bool,
}

struct Prepared {
    parameters: Parameters,
    world: Shared,
}

impl Ready for Prepared {
    fn run<'a>(&'a self, step: &'a StepContext<'a>) -> LocalBoxFuture<'a, Outcome> {
        let name = format!("alone-{}", step.target.id);
        iotplay_runner::serve_alone(self, step, name).boxed_local()
    }

    fn repeatable(&self) -> bool {
        false
    }

    fn gathers(&self) -> Option<&dyn Gathers> {
        Some(self)
    }

    fn preview(&self, _: &StepContext<'_>) -> String {
        "would call together".into()
    }
}

impl Gathers for Prepared {
    fn share<'a>(&'a self, step: &'a StepContext<'a>) -> LocalBoxFuture<'a, Result<Value, Outcome>> {
        let filled = step.fill(&self.parameters.name);
        let payload = self.parameters.payload.as_ref().map(|it| step.fill(it)).transpose();
        let share = filled.and_then(|name| Ok(json!([name, payload?]))).map_err(Outcome::Failed);
        std::future::ready(share).boxed_local()
    }

    fn serve<'a>(&'a self, batch: &'a Batch) -> LocalBoxFuture<'a, ()> {
        async move {
            let mut devices: Vec<String> = (0..batch.len()).map(|at| batch.device(at).id.to_string()).collect();
            devices.sort();
            self.world.borrow_mut().batches.push((batch.name().to_owned(), devices));
            let all = join_all((0..batch.len()).map(|at| self.one(batch, at)));
            tokio::select! {
                _ = all => {}
                () = batch.cancel().cancelled() => {
                    sleep(Duration::from_secs(1)).await;
                    batch.warn("called off".into());
                }
            }
        }
        .boxed_local()
    }
}

impl Prepared {
    async fn one(&self, batch: &Batch, at: usize) {
        let id = &*batch.device(at).id;
        let reply = {
            let mut world = self.world.borrow_mut();
            world.order.push(id.to_owned());
            let fake = world.devices.get_mut(id).expect("a fake device of the test");
            fake.calls += 1;
            fake.replies.pop_front()
        };
        if self.parameters.forgets {
            return;
        }
        if self.parameters.stuck {
            std::future::pending::<()>().await;
        }
        batch.begun(at);
        let limit = batch.timeout(at).unwrap_or(LONG);
        let outcome = match reply.unwrap_or(Reply::Status(200, Value::Null)) {
            Reply::After(delay, payload) => timeout(limit, sleep(delay)).await.map(|()| replied(200, &payload)),
            Reply::Never | Reply::Queued(..) => {
                sleep(limit).await;
                timeout(Duration::ZERO, std::future::pending()).await
            }
            Reply::Status(status, payload) => Ok(replied(status, &payload)),
            Reply::Offline => Ok(Failure::new(Class::Unreachable, "is not connected").into()),
            Reply::HubGone => Ok(Failure::new(Class::Hub, "the hub refuses the key (401)").into()),
            Reply::Dropped | Reply::Lost => {
                Ok(Failure { in_doubt: true, ..Failure::new(Class::Timeout, "did not answer in time") }.into())
            }
        };
        let outcome = outcome.unwrap_or_else(|_| Failure::new(Class::Timeout, "its time was over").into());
        if self.parameters.slow {
            batch.over(at);
            sleep(Duration::from_secs(3600)).await;
        }
        if let Outcome::Done { value, .. } = &outcome {
            batch.progress(at, Progress::Says(format!("{} together", value["status"])));
        }
        batch.end(at, outcome);
        batch.end(at, Outcome::read(json!("the first one counts")));
    }
}

fn replied(status: i32, payload: &Value) -> Outcome {
    let value = json!({ "status": status, "payload": payload, "lost": false });
    if (200..300).contains(&status) {
        return Outcome::changed(value);
    }
    Failure { status: Some(status), value, ..Failure::new(Class::Rejected, format!("answered {status}")) }.into()
}

struct Together(Shared);

impl Action for Together {
    fn name(&self) -> &'static str {
        "together"
    }

    fn about(&self) -> &'static str {
        "for tests"
    }

    fn effect(&self) -> Effect {
        Effect::Changes
    }

    fn schema(&self) -> Value {
        Value::Bool(true)
    }

    fn main(&self) -> Option<&'static str> {
        Some("name")
    }

    fn positional(&self) -> &'static [&'static str] {
        &["name", "payload"]
    }

    fn check(&self, parameters: &Node, check: &mut Check<'_>) -> Option<Box<dyn Ready>> {
        let parameters = check.decode::<Parameters>(parameters)?;
        Some(Box::new(Prepared { parameters, world: Rc::clone(&self.0) }))
    }
}

/// Brings the verb.
pub(crate) struct Many(pub(crate) Shared);

impl Plugin for Many {
    fn name(&self) -> &'static str {
        "many"
    }

    fn actions(&self) -> Vec<Rc<dyn Action>> {
        vec![Rc::new(Together(Rc::clone(&self.0)))]
    }
}
