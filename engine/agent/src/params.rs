//! What a method says it takes (`params: #{ slot: "integer", force: "boolean?" }`): read at load, checked before its handler
//! runs, announced. Knows no device.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::did_you_mean;
use rhai::Map;
use script::{Dynamic, type_in_words};
use serde_json::{Value, json};

use crate::surface::Request;

/// Parameters of one method: more is no method but a document.
const MOST: usize = 64;

/// What a value has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Integer,
    Number,
    Boolean,
    List,
    Map,
    Any,
}

const KINDS: [(&str, Kind); 7] = [
    ("text", Kind::Text),
    ("integer", Kind::Integer),
    ("number", Kind::Number),
    ("boolean", Kind::Boolean),
    ("list", Kind::List),
    ("map", Kind::Map),
    ("any", Kind::Any),
];

/// The parameters of a method.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params(BTreeMap<Arc<str>, Param>);

#[derive(Clone, Debug)]
struct Param {
    kind: Kind,
    word: &'static str,
    optional: bool,
}

impl Params {
    /// Reads what a script says; an error is a sentence.
    pub(crate) fn read(value: &Dynamic) -> Result<Self, String> {
        let Some(map) = value.read_lock::<Map>() else {
            return Err("`params` is a map, such as #{ slot: \"integer\", force: \"boolean?\" }".to_owned());
        };
        if map.len() > MOST {
            return Err(format!("a method has at most {MOST} parameters"));
        }
        let mut params = BTreeMap::new();
        for (name, value) in map.iter() {
            if name.is_empty() || name.contains(['.', '$', '#']) || name.contains(char::is_whitespace) {
                return Err(format!(
                    "`{name}` is no name of a parameter: a twin, which it is reported in, takes none such"
                ));
            }
            let text = value.as_immutable_string_ref().map(|text| text.to_string()).unwrap_or_default();
            let (word, optional) = text.strip_suffix('?').map_or((text.as_str(), false), |word| (word, true));
            let Some((word, kind)) = KINDS.iter().find(|(known, _)| *known == word) else {
                let known = KINDS.map(|(known, _)| known);
                let near = did_you_mean(word, known)
                    .map_or_else(|| format!("there is {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
                return Err(format!("`{text}` is no kind of parameter: {near}"));
            };
            params.insert(name.as_str().into(), Param { kind: *kind, word, optional });
        }
        Ok(Self(params))
    }

    /// Whether a call has what is wanted; an error is for its caller. What else it has is its own business.
    pub(crate) fn check(&self, request: &Request) -> Result<(), String> {
        for (name, param) in &self.0 {
            let value = request.param(name);
            if value.is_unit() && !param.optional {
                return Err(format!("the parameter `{name}` is missing: it is {}", article(param.word)));
            }
            if !value.is_unit() && !param.kind.takes(&value) {
                let (wanted, given) = (article(param.word), type_in_words(&value));
                return Err(format!("the parameter `{name}` is {wanted}, this is {given}"));
            }
        }
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As it is announced: each name with its kind, as the script wrote it.
    pub(crate) fn to_json(&self) -> Value {
        let word = |param: &Param| format!("{}{}", param.word, if param.optional { "?" } else { "" });
        self.0.iter().map(|(name, param)| (name.to_string(), json!(word(param)))).collect()
    }
}

impl Kind {
    fn takes(self, value: &Dynamic) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Integer => value.is_int(),
            Self::Number => value.is_int() || value.is_float(),
            Self::Boolean => value.is_bool(),
            Self::List => value.is_array(),
            Self::Map => value.is_map(),
            Self::Any => true,
        }
    }
}

fn article(word: &str) -> String {
    match word {
        "any" => "of any kind".to_owned(),
        "integer" => "an integer".to_owned(),
        word => format!("a {word}"),
    }
}
