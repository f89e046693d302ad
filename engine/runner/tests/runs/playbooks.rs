//! Random playbooks over fake verbs: every kind of step whose replay could go wrong.

use std::fmt::Write as _;

use proptest::prelude::*;

/// A step.
#[derive(Clone, Debug)]
pub(crate) enum Made {
    /// A call that must not be repeated; fails on its first attempts; with so many retries.
    Call { fails: u8, retries: u8, ignored: bool, registers: bool },
    /// A call for all devices.
    Once,
    /// A call per item of a constant list, or of one that the device reports.
    Loop { items: u8, reported: bool },
    /// Reads the twin.
    Twin,
    /// Calls that do no harm.
    Ping,
    /// A name from what was registered last.
    Set,
    /// A call that says whether the step that registered last changed something.
    Changed,
    /// Waits a while.
    Sleep,
    /// Looks at the device.
    Wait,
    /// Fails on some devices.
    Fail { ignored: bool },
    /// Waits until the device is there.
    Online { tries: u8 },
    /// A block with what stands beside it.
    Block { block: Vec<Made>, rescue: Vec<Made>, always: Vec<Made>, retries: u8, when: bool, serial: bool },
}

fn leaf() -> impl Strategy<Value = Made> {
    prop_oneof![
        4 => (0u8..3, 0u8..3, any::<bool>(), any::<bool>())
            .prop_map(|(fails, retries, ignored, registers)| Made::Call { fails, retries, ignored, registers }),
        1 => Just(Made::Once),
        2 => (0u8..3, any::<bool>()).prop_map(|(items, reported)| Made::Loop { items, reported }),
        1 => Just(Made::Twin),
        1 => Just(Made::Ping),
        1 => Just(Made::Set),
        1 => Just(Made::Changed),
        1 => Just(Made::Sleep),
        1 => Just(Made::Wait),
        1 => any::<bool>().prop_map(|ignored| Made::Fail { ignored }),
        1 => (0u8..3).prop_map(|tries| Made::Online { tries }),
    ]
}

fn step() -> impl Strategy<Value = Made> {
    leaf().prop_recursive(2, 12, 3, |inner| {
        let some = |most| prop::collection::vec(inner.clone(), 0..most);
        (prop::collection::vec(inner.clone(), 1..3), some(2), some(2), 0u8..2, any::<bool>(), any::<bool>()).prop_map(
            |(block, rescue, always, retries, when, serial)| Made::Block {
                block,
                rescue,
                always,
                retries,
                when,
                serial,
            },
        )
    })
}

/// A playbook: its waves, whether its order is random, and its steps.
pub(crate) fn playbook() -> impl Strategy<Value = String> {
    (prop::collection::vec(step(), 1..5), 0usize..3, any::<bool>(), any::<bool>()).prop_map(
        |(steps, waves, random, after)| {
            let mut text = String::from("name: Made\nvars: { base: 7, own: \"${{ device.id }}-x\" }\n");
            if waves > 0 {
                let _ = writeln!(text, "serial: [{waves}, rest]\nbetween_waves: {{ soak: 5s, gate: \"true\" }}");
            }
            if random {
                text.push_str("targets: { query: d, order: random }\n");
            }
            // Who goes through a block in batches may fail there.
            text.push_str("abort_if: { failed: 100 }\n");
            text.push_str("before:\n  - invoke_method: { name: before }\nsteps:\n");
            let mut writer = Writer { text, count: 0, last: None };
            writer.steps(&steps, 1);
            if after {
                writer.text.push_str("after:\n  - invoke_method: { name: after }\n  - log: \"${{ devices.len() }}\"\n");
            }
            writer.text
        },
    )
}

struct Writer {
    text: String,
    count: usize,
    last: Option<usize>,
}

impl Writer {
    fn steps(&mut self, steps: &[Made], depth: usize) {
        for step in steps {
            self.step(step, depth);
        }
    }

    fn line(&mut self, depth: usize, first: bool, text: &str) {
        let _ = writeln!(self.text, "{}{}{text}", "  ".repeat(depth), if first { "- " } else { "  " });
    }

    fn step(&mut self, step: &Made, depth: usize) {
        self.count += 1;
        let number = self.count;
        let line = |writer: &mut Self, first, text: &str| writer.line(depth, first, text);
        match step {
            Made::Call { fails, retries, ignored, registers } => {
                let call = format!("invoke_method: {{ name: c{number}-{fails}, payload: \"${{{{ attempt }}}}\" }}");
                line(self, true, &call);
                if *retries > 0 {
                    line(self, false, &format!("retries: {retries}"));
                    line(self, false, "delay: 3s");
                }
                if *ignored {
                    line(self, false, "ignore_errors: true");
                }
                if *registers {
                    line(self, false, &format!("register: r{number}"));
                    self.last = Some(number);
                }
            }
            Made::Once => {
                line(self, true, &format!("invoke_method: {{ name: once{number} }}"));
                line(self, false, "run_once: true");
                line(self, false, &format!("register: r{number}"));
                self.last = Some(number);
            }
            Made::Loop { items, reported } => {
                let list = (0..*items).map(|item| item.to_string()).collect::<Vec<_>>().join(", ");
                let list = if *reported { "${{ twin.reported.items }}".to_owned() } else { format!("[{list}]") };
                line(self, true, &format!("invoke_method: {{ name: l{number}-0, payload: \"${{{{ item }}}}\" }}"));
                line(self, false, &format!("loop: {list}"));
                line(self, false, &format!("register: r{number}"));
                self.last = Some(number);
            }
            Made::Twin => {
                line(self, true, "get_twin:");
                line(self, false, &format!("register: r{number}"));
                self.last = Some(number);
            }
            Made::Ping => line(self, true, &format!("ping: {{ name: p{number}-0 }}")),
            Made::Set => {
                let last = self.last.map_or_else(|| "base".to_owned(), |last| format!("r{last}"));
                line(self, true, &format!("set: {{ s{number}: \"${{{{ {last} }}}}\" }}"));
            }
            Made::Changed => {
                let last = self.last.map_or_else(|| "1".to_owned(), |last| format!("changed(r{last})"));
                line(self, true, &format!("ping: {{ name: p{number}-0, payload: \"${{{{ {last} }}}}\" }}"));
            }
            Made::Sleep => line(self, true, "sleep: 2s"),
            Made::Wait => line(self, true, "wait_until: twin.version == 0"),
            Made::Fail { ignored } => {
                line(self, true, "fail: no");
                line(self, false, "when: device.id == \"d1\"");
                if *ignored {
                    line(self, false, "ignore_errors: true");
                }
            }
            Made::Online { tries } => {
                line(self, true, &format!("invoke_method: {{ name: o{number}-{tries} }}"));
                line(self, false, "offline: { wait: 1h }");
            }
            Made::Block { block, rescue, always, retries, when, serial } => {
                self.block([block, rescue, always], *retries, *when, depth);
                if *serial {
                    self.line(depth, false, "serial: [1, rest]");
                }
            }
        }
    }

    fn block(&mut self, [block, rescue, always]: [&[Made]; 3], retries: u8, when: bool, depth: usize) {
        self.line(depth, true, "block:");
        self.steps(block, depth + 2);
        for (key, steps) in [("rescue", rescue), ("always", always)] {
            if !steps.is_empty() {
                self.line(depth, false, &format!("{key}:"));
                self.steps(steps, depth + 2);
            }
        }
        if retries > 0 {
            self.line(depth, false, &format!("retries: {retries}"));
        }
        if when {
            self.line(depth, false, "when: device.id != \"d2\"");
        }
    }
}
