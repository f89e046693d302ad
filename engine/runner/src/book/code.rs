//! Code that stands in the playbook itself, as a source of its own whose places are the playbook's: everything around it is
//! blank. Compiles nothing.

use base::Source;

use super::Node;

/// A scalar's text as code, with the name and the places of the file that it stands in.
pub(crate) fn own_text(node: &Node, file: &Source) -> Source {
    let value = node.scalar().unwrap_or("");
    let raw = file.text().get(node.span.start..node.span.end).unwrap_or("");
    // A text over several lines keeps its own indentation only where the block's is taken away.
    let has_lines = value.contains('`') && value.trim_end().contains('\n');
    if !has_lines && squeezed(raw) == squeezed(value) {
        let before = &file.text()[..node.span.start];
        return Source::new(file.name(), format!("{}{raw}", blank(before)));
    }
    // Quotes or escapes: the line is right, the column is not.
    let (line, _) = file.position(node.span.start);
    Source::new(file.name(), format!("{}{value}", "\n".repeat(line.saturating_sub(1))))
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Blanks of the same length, with the same lines.
fn blank(text: &str) -> String {
    text.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::read_yaml;
    use base::Diagnostics;

    fn code(text: &str) -> Source {
        let file = Source::new("p.yaml", text);
        let node = read_yaml(&file, &mut Diagnostics::default()).unwrap();
        own_text(node.get("é").unwrap(), &file)
    }

    #[test]
    fn places_are_those_of_the_playbook() {
        for (text, word, line) in [
            ("a: 1\né: let x = 5; x\nb: 2\n", "x = 5", 2),
            ("a: 1\né: |\n  let x = 5;\n  x\nb: 2\n", "x\n", 4),
            ("é: >-\n  let x = 5;\n\n  x\n", "x = 5", 2),
            ("\né: \"let x = \\\"5\\\"; x\"\n", "x = \"5\"", 2),
            ("\né: |\n  `a\n  b`; let x = 5\n", "x = 5", 3),
        ] {
            let code = code(text);
            let at = code.text().find(word).unwrap_or_else(|| panic!("{word} in {:?}", code.text()));
            assert!(
                code.position(at).0.abs_diff(line) <= usize::from(text.contains('`')),
                "{text:?}: {:?}",
                code.text()
            );
            if !text.contains(['`', '"']) {
                assert!(text[at..].starts_with(word), "{text:?}");
            }
        }
        assert!(code("\né: |\n  `a\n  b`\n").text().contains("`a\nb`"), "the text is as YAML has it");
    }
}
