//! Queries over certain devices, as many in one text as the service reads. Pure.

use runner::Ask;
use wire::limits::{QUERY_CHARS, QUERY_PAGE};

/// The selection of whole twins.
const TWINS: &str = "SELECT * FROM devices WHERE ";

/// One query, and the asks that it answers: their indices in the round.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) text: String,
    pub(super) asks: Vec<usize>,
}

/// An id between quotes. Ids have no double quotes and no backslash, but may have single quotes.
fn quoted(id: &str) -> String {
    if id.contains('\'') { format!("\"{id}\"") } else { format!("'{id}'") }
}

/// Queries for the rows of these devices: one page each.
pub(super) fn pages(asks: &[(usize, &Ask)]) -> Vec<Question> {
    let mut questions = Vec::new();
    let (mut ids, mut indices) = (String::new(), Vec::new());
    let mut close = |ids: &mut String, indices: &mut Vec<usize>| {
        let text = format!("{TWINS}deviceId IN [{ids}]");
        ids.clear();
        questions.push(Question { text, asks: std::mem::take(indices) });
    };
    for (index, ask) in asks {
        let id = quoted(&ask.device);
        if indices.len() == QUERY_PAGE || TWINS.len() + "deviceId IN []".len() + ids.len() + id.len() + 1 > QUERY_CHARS
        {
            close(&mut ids, &mut indices);
        }
        if !ids.is_empty() {
            ids.push(',');
        }
        ids.push_str(&id);
        indices.push(*index);
    }
    if !indices.is_empty() {
        close(&mut ids, &mut indices);
    }
    questions
}

/// Queries for those rows only that are newer than what their waiters have seen: `version` grows with every change of a twin, so
/// nothing that the index learns late is missed. Devices of one version share their part of the text.
pub(super) fn changes(asks: &[(usize, &Ask)]) -> Vec<Question> {
    let mut asks: Vec<_> = asks.to_vec();
    asks.sort_by_key(|(_, ask)| ask.seen);
    let mut questions = Vec::new();
    let mut open: Option<Question> = None;
    let mut version = None;
    for (index, ask) in asks {
        let id = quoted(&ask.device);
        let begins = match ask.seen {
            None => format!("(deviceId IN [{id}"),
            Some(seen) => format!("(version > {seen} AND deviceId IN [{id}"),
        };
        // Each text is closed by `])`.
        let fits = |question: &&mut Question| question.text.len() + " OR ".len() + begins.len() + 4 <= QUERY_CHARS;
        match open.as_mut().filter(fits) {
            Some(question) => {
                if version == Some(ask.seen) {
                    question.text.push(',');
                    question.text.push_str(&id);
                } else {
                    question.text.push_str("]) OR ");
                    question.text.push_str(&begins);
                }
                question.asks.push(index);
            }
            None => {
                questions.extend(open.take().map(closed));
                open = Some(Question { text: format!("{TWINS}{begins}"), asks: vec![index] });
            }
        }
        version = Some(ask.seen);
    }
    questions.extend(open.map(closed));
    questions
}

fn closed(mut question: Question) -> Question {
    question.text.push_str("])");
    question
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ask(id: &str, seen: Option<u64>) -> Ask {
        Ask { device: id.into(), seen, direct: false }
    }

    fn listed(asks: &[Ask]) -> Vec<(usize, &Ask)> {
        asks.iter().enumerate().collect()
    }

    #[test]
    fn ids_stand_between_quotes_that_they_do_not_have() {
        let asks = [ask("a", None), ask("it's", Some(3)), ask("c", Some(3)), ask("d", Some(2))];
        assert_eq!(pages(&listed(&asks))[0].text, "SELECT * FROM devices WHERE deviceId IN ['a',\"it's\",'c','d']");
        let changes = changes(&listed(&asks));
        assert_eq!(changes.len(), 1);
        assert_eq!(
            changes[0].text,
            "SELECT * FROM devices WHERE (deviceId IN ['a']) OR (version > 2 AND deviceId IN ['d']) OR (version > 3 AND \
             deviceId IN [\"it's\",'c'])"
        );
        assert_eq!(changes[0].asks, [0, 3, 1, 2]);
        assert!(pages(&[]).is_empty() && super::changes(&[]).is_empty());
    }

    #[test]
    fn a_thousand_devices_are_ten_pages_or_two_questions() {
        let asks: Vec<Ask> = (0..1_000).map(|n| ask(&format!("sim-{n}"), Some(7))).collect();
        assert_eq!(pages(&listed(&asks)).len(), 10);
        assert_eq!(changes(&listed(&asks)).len(), 2);
    }

    proptest! {
        /// Each device once, no text longer than the service reads.
        #[test]
        fn nothing_is_lost_and_nothing_too_long(
            asks in proptest::collection::vec(("[a-z'.:-]{1,128}", proptest::option::of(0_u64..50)), 0..150),
        ) {
            let asks: Vec<Ask> = asks.into_iter().map(|(id, seen)| ask(&id, seen)).collect();
            for questions in [pages(&listed(&asks)), changes(&listed(&asks))] {
                let mut all: Vec<usize> = questions.iter().flat_map(|question| question.asks.clone()).collect();
                all.sort_unstable();
                prop_assert_eq!(all, (0..asks.len()).collect::<Vec<_>>());
                for question in &questions {
                    prop_assert!(question.text.len() <= QUERY_CHARS, "{}", question.text.len());
                    prop_assert!(question.asks.iter().all(|index| question.text.contains(&*asks[*index].device)));
                }
            }
            prop_assert!(pages(&listed(&asks)).iter().all(|question| question.asks.len() <= QUERY_PAGE));
        }
    }
}
