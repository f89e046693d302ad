//! The forms that a secret may take in a text: as it is, quoted, in base64, in a URL, in hex. Pure.

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Every form of a value, itself first; some may be equal.
pub(crate) fn all(value: &str) -> Vec<String> {
    let bytes = value.as_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    // JSON and Rust quote alike what keys and passwords are made of.
    let quoted = format!("{value:?}");
    let mut forms = vec![value.to_owned(), quoted[1..quoted.len() - 1].to_owned(), hex.to_uppercase(), hex];
    for kept in ["", "-_.~", "-_.*"] {
        let url = percent(value, kept);
        forms.push(url.replace("%20", "+"));
        // `%2b` for `%2B`; other letters stay as they are.
        forms.push(url.split('%').enumerate().map(lower_digits).collect());
        forms.push(url);
    }
    // Inside another text's base64 a value begins at any of three places; a few letters at its ends belong to its neighbours too.
    for before in 0..3 {
        let inside = inside_base64(bytes, before);
        forms.push(inside.replace('+', "-").replace('/', "_"));
        forms.push(inside);
    }
    forms
}

/// What base64 makes of these bytes alone when so many (0 to 2) others stand before them.
fn inside_base64(bytes: &[u8], before: usize) -> String {
    let bit = |index: usize| {
        let (byte, shift) = (index / 8, 7 - index % 8);
        usize::from(bytes[byte - before] >> shift & 1)
    };
    let (first, last) = ((before * 8).div_ceil(6), (before + bytes.len()) * 8 / 6);
    let letter = |at: usize| (0..6).fold(0, |value, offset| value << 1 | bit(at * 6 + offset));
    (first..last).map(|at| char::from(BASE64[letter(at)])).collect()
}

/// As URLs have it: letters and digits as they are, and what is kept.
pub(crate) fn percent(value: &str, kept: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte);
    value.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn lower_digits((index, part): (usize, &str)) -> String {
    match part.split_at_checked(2).filter(|_| index > 0) {
        Some((digits, rest)) => format!("%{}{rest}", digits.to_lowercase()),
        None => part.to_owned(),
    }
}
