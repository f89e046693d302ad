//! Keys and signatures in any text, such as a command line: for hiding them. Judges nothing, decodes nothing.

/// What stands before a secret in connection strings and tokens.
const BEFORE: [&str; 3] = ["SharedAccessKey=", "?sig=", "&sig="];

/// The keys of connection strings and the signatures of tokens in a text, whole or not.
pub fn secrets_in(text: &str) -> impl Iterator<Item = &str> {
    let end = |c: char| c.is_whitespace() || matches!(c, ';' | '&' | '"' | '\'' | '\\');
    let after = move |word: &'static str| text.split(word).skip(1).filter_map(move |rest| rest.split(end).next());
    BEFORE.into_iter().flat_map(after).filter(|secret| !secret.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_wherever_they_stand() {
        for (text, expected) in [
            ("HostName=x;SharedAccessKeyName=y;SharedAccessKey=c2VjcmV0LWtleQ==", &["c2VjcmV0LWtleQ=="][..]),
            ("--hub='SharedAccessKey=abc' SharedAccessKey=def;x", &["abc", "def"]),
            ("HostName=x;DeviceId=d;SharedAccessSignature=SharedAccessSignature sr=x&sig=a%2Bb%3D&se=1", &["a%2Bb%3D"]),
            ("HostName=x;SharedAccessKeyName=y;SharedAccessKey=", &[]),
        ] {
            assert_eq!(secrets_in(text).collect::<Vec<_>>(), expected, "{text}");
        }
    }
}
