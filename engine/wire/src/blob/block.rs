//! Ids of blocks, and the document that makes blocks a blob.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use quick_xml::Reader;
use quick_xml::events::Event;
use thiserror::Error;

use crate::percent::decode;

/// Bytes of an id before base64, as Blob Storage documents it.
const ID_BYTES: usize = 64;
/// Blocks of one blob, as Blob Storage documents it.
const BLOCKS: usize = 50_000;

/// The id of a block: one to 64 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId(Box<[u8]>);

impl BlockId {
    /// Reads base64.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > ID_BYTES.div_ceil(3) * 4 {
            return None;
        }
        let bytes = STANDARD.decode(text).ok()?;
        (1..=ID_BYTES).contains(&bytes.len()).then(|| Self(bytes.into()))
    }

    /// Reads the value of a query's parameter: base64, percent-encoded.
    pub fn parse_parameter(raw: &str) -> Option<Self> {
        Self::parse(&decode(raw)?)
    }

    /// How many bytes it has; all ids of one blob have as many.
    pub fn size(&self) -> usize {
        self.0.len()
    }

    /// Two hexadecimal digits for each byte: a name that every file system takes, and that leads nowhere else.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads what [`hex`](Self::hex) wrote.
    pub fn of_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if !text.is_ascii() || digits.len() % 2 != 0 || !(2..=2 * ID_BYTES).contains(&digits.len()) {
            return None;
        }
        let digit = |digit: u8| char::from(digit).to_digit(16);
        let byte = |pair: &[u8]| u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok();
        let id = digits.chunks_exact(2).map(byte).collect::<Option<Vec<u8>>>().map(|bytes| Self(bytes.into()))?;
        // One name for each id.
        (id.hex() == text).then_some(id)
    }
}

/// Base64, as in a request.
impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(&self.0))
    }
}

impl fmt::Debug for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockId({self})")
    }
}

/// Why a list of blocks cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum BlockListError {
    /// Not XML of this form.
    #[error("the body is not a list of blocks: {0}")]
    Form(String),
    /// An id is not base64 of 1 to 64 bytes.
    #[error("`{0}` is not the id of a block")]
    Id(String),
    /// Too many.
    #[error("a blob has at most {BLOCKS} blocks")]
    TooMany,
    /// Blocks of what the blob was before.
    #[error("blocks of the blob's earlier content (`Committed`) are not supported by this local hub")]
    Committed,
}

/// Reads `<BlockList><Latest>id</Latest>..</BlockList>`.
///
/// # Errors
/// Says what is wrong with it.
pub fn parse_block_list(text: &str) -> Result<Vec<BlockId>, BlockListError> {
    let form = |why: &str| BlockListError::Form(why.to_owned());
    let mut reader = Reader::from_str(text);
    let (mut blocks, mut depth, mut seen) = (Vec::new(), 0, false);
    let mut id = String::new();
    loop {
        match reader.read_event().map_err(|error| BlockListError::Form(error.to_string()))? {
            Event::Start(start) => {
                match (depth, start.name().as_ref()) {
                    (0, "BlockList") if !seen => seen = true,
                    (1, "Latest" | "Uncommitted") => id.clear(),
                    (1, "Committed") => return Err(BlockListError::Committed),
                    _ => return Err(form("an element that does not belong there")),
                }
                depth += 1;
            }
            Event::Text(text) if depth == 2 => id.push_str(text.trim()),
            Event::Text(text) if text.trim().is_empty() => {}
            Event::Text(_) => return Err(form("text outside of an id")),
            Event::End(_) => {
                depth -= 1;
                if depth == 1 {
                    if blocks.len() >= BLOCKS {
                        return Err(BlockListError::TooMany);
                    }
                    let read = BlockId::parse(&id);
                    blocks.push(read.ok_or_else(|| BlockListError::Id(id.chars().take(100).collect()))?);
                }
            }
            Event::Empty(empty) if depth == 0 && !seen && empty.name().as_ref() == "BlockList" => seen = true,
            Event::Decl(_) | Event::Comment(_) => {}
            Event::Eof if depth == 0 && seen => return Ok(blocks),
            Event::Eof => return Err(form("it ends too early")),
            _ => return Err(form("something that is neither an element nor text")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lists_as_the_sdks_write_them() {
        let python =
            "<?xml version='1.0' encoding='utf-8'?>\n<BlockList><Latest>MDAw</Latest><Latest>MDAx</Latest></BlockList>";
        let node = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?><BlockList><Latest>MDAw</Latest>\n <Uncommitted>MDAx</Uncommitted></BlockList>";
        for text in [python, node] {
            let ids: Vec<String> = parse_block_list(text).unwrap().iter().map(ToString::to_string).collect();
            assert_eq!(ids, ["MDAw", "MDAx"], "{text}");
        }
        assert_eq!(parse_block_list("<BlockList/>").unwrap(), []);
        assert_eq!(parse_block_list("<BlockList></BlockList>").unwrap(), []);
    }

    #[test]
    fn bad_lists_by_table() {
        for text in [
            "",
            "x",
            "<BlockList>",
            "<Blocks/>",
            "<BlockList/><BlockList/>",
            "<BlockList><Newest>MDAw</Newest></BlockList>",
            "<BlockList><Latest><Latest>MDAw</Latest></Latest></BlockList>",
            "<BlockList>MDAw</BlockList>",
            "<!DOCTYPE a [<!ENTITY b 'MDAw'>]><BlockList><Latest>&b;</Latest></BlockList>",
        ] {
            assert!(matches!(parse_block_list(text), Err(BlockListError::Form(_))), "{text}");
        }
        let one = |id: &str| parse_block_list(&format!("<BlockList><Latest>{id}</Latest></BlockList>"));
        assert_eq!(one("not base64"), Err(BlockListError::Id("not base64".into())));
        assert_eq!(one(""), Err(BlockListError::Id(String::new())));
        assert!(matches!(one(&STANDARD.encode([0; 65])), Err(BlockListError::Id(_))));
        let many = "<Latest>MDAw</Latest>".repeat(BLOCKS);
        assert_eq!(parse_block_list(&format!("<BlockList>{many}</BlockList>")).unwrap().len(), BLOCKS);
        let more = format!("<BlockList>{many}<Latest>MDAw</Latest></BlockList>");
        assert_eq!(parse_block_list(&more), Err(BlockListError::TooMany));
        let committed = "<BlockList><Committed>MDAw</Committed></BlockList>";
        assert_eq!(parse_block_list(committed), Err(BlockListError::Committed));
    }

    proptest! {
        #[test]
        fn ids_round_trip(bytes in proptest::collection::vec(any::<u8>(), 1..=64)) {
            let id = BlockId(bytes.clone().into());
            prop_assert_eq!(BlockId::parse(&id.to_string()).unwrap(), id.clone());
            prop_assert_eq!(BlockId::of_hex(&id.hex()).unwrap(), id.clone());
            let parameter = id.to_string().replace('+', "%2B").replace('/', "%2f").replace('=', "%3D");
            prop_assert_eq!(BlockId::parse_parameter(&parameter).unwrap(), id.clone());
            prop_assert!(id.hex().bytes().all(|byte| byte.is_ascii_hexdigit()));
        }

        #[test]
        fn never_panics(text in "\\PC{0,120}", inner in "[<>/a-zA-Z&;! ]{0,60}") {
            let _ = parse_block_list(&text);
            let _ = parse_block_list(&format!("<BlockList>{inner}</BlockList>"));
            let _ = BlockId::parse(&text);
            let _ = BlockId::of_hex(&text);
        }
    }
}
