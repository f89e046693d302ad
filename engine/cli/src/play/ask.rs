//! Questions before something changes, and what answers them: a person at a terminal, or `--yes`.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::rc::Rc;

use runner::{Confirm, Question};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::process::Trouble;

/// Whether `--yes` allows changes on this hub. A production hub wants its own name.
pub(crate) fn allowed(yes: Option<&str>, production: Option<&str>) -> Result<bool, Trouble> {
    let Some(yes) = yes.map(str::trim) else { return Ok(false) };
    if ["", "0", "no", "n", "false", "off"].iter().any(|no| yes.eq_ignore_ascii_case(no)) {
        return Ok(false);
    }
    let plain = ["1", "yes", "y", "true", "on"].iter().any(|word| yes.eq_ignore_ascii_case(word));
    match production {
        None if plain => Ok(true),
        None => Err(Trouble::usage(format!("--yes={yes}: this hub has no such name")).help("give --yes alone")),
        Some(name) if name == yes => Ok(true),
        Some(name) => Err(Trouble::usage(format!("`{name}` is a production hub")).help(format!("--yes={name}"))),
    }
}

/// How to ask; none where nobody could answer.
pub(crate) fn terminal(asked_to_stop: &CancellationToken) -> Option<Confirm> {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return None;
    }
    let stop = asked_to_stop.clone();
    Some(Rc::new(move |question: Question| {
        let stop = stop.clone();
        Box::pin(async move {
            // A prompt that cannot be shown is not answered either.
            let _ = write!(std::io::stderr(), "{question} ");
            tokio::select! {
                answer = line() => answer,
                () = stop.cancelled() => None,
            }
        })
    }))
}

/// One line of stdin. Read on a thread that nobody joins: a read from a terminal cannot be cancelled, and must not keep the
/// process from ending.
async fn line() -> Option<String> {
    let (tell, told) = oneshot::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let read = std::io::stdin().lock().read_line(&mut text);
        let _ = tell.send(read.ok().filter(|bytes| *bytes > 0).map(|_| text));
    });
    told.await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_production_hub_wants_its_name() {
        assert!(!allowed(None, None).unwrap());
        assert!(!allowed(Some("0"), Some("prod")).unwrap());
        assert!(allowed(Some("1"), None).unwrap());
        assert!(allowed(Some("prod"), Some("prod")).unwrap());
        assert!(allowed(Some("1"), Some("prod")).is_err());
        assert!(allowed(Some("prd"), Some("prod")).is_err());
        assert!(allowed(Some("prod"), None).is_err());
    }
}
