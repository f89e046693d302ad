//! `message`: a cloud-to-device message as its handler sees it; `reject()` and `abandon()`.

use rhai::{EvalAltResult, FuncRegistration, Map};
use script::{Blob, Dynamic, ImmutableString, Module, NativeCallContext, from_json_bytes};
use wire::property;

use super::native::{Answer, call, fail};
use crate::messages::{Message, Verdict};

/// A message, and which try this is.
#[derive(Clone, Debug)]
pub(crate) struct MessageRef {
    message: Message,
    delivery: u32,
}

/// The getters of system properties, and their keys.
const SYSTEM: [(&str, &str); 8] = [
    ("id", property::MESSAGE_ID),
    ("correlation_id", property::CORRELATION_ID),
    ("user_id", property::USER_ID),
    ("content_type", property::CONTENT_TYPE),
    ("content_encoding", property::CONTENT_ENCODING),
    ("to", property::TO),
    ("expiry", property::EXPIRY),
    ("ack", property::ACK),
];

impl MessageRef {
    pub(crate) fn new(message: Message, delivery: u32) -> Self {
        Self { message, delivery }
    }

    fn system(&self, key: &str) -> Dynamic {
        self.message.properties.get(key).map_or(Dynamic::UNIT, Into::into)
    }

    /// The application's own; one without a value is an empty text.
    fn properties(&self) -> Map {
        let own = |key: &str| key != property::ACK && property::system_name(key).is_none();
        let all = self.message.properties.0.iter().filter(|(key, _)| own(key));
        all.map(|(key, value)| (key.as_str().into(), value.as_deref().unwrap_or_default().into())).collect()
    }

    fn text(&self) -> Answer<ImmutableString> {
        match std::str::from_utf8(&self.message.body) {
            Ok(text) => Ok(text.into()),
            Err(_) => fail("the message is no text: `message.bytes` has what was sent"),
        }
    }

    fn json(&self) -> Answer<Dynamic> {
        from_json_bytes(&self.message.body).or_else(|error| fail(format!("the message is not JSON: {error}")))
    }

    fn bytes(&self) -> Blob {
        self.message.body.to_vec()
    }

    /// As its sender calls it: JSON is read, a text is a text, anything else is bytes.
    fn payload(&self) -> Answer<Dynamic> {
        let kind = self.message.properties.get(property::CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if kind == "application/json" || kind.ends_with("+json") {
            return self.json();
        }
        Ok(self.text().map_or_else(|_| Dynamic::from_blob(self.bytes()), Dynamic::from))
    }
}

pub(super) fn register(module: &mut Module) {
    module.set_custom_type::<MessageRef>("message");
    for (name, key) in SYSTEM {
        FuncRegistration::new_getter(name).set_into_module(module, move |message: &mut MessageRef| message.system(key));
    }
    FuncRegistration::new_getter("properties").set_into_module(module, |message: &mut MessageRef| message.properties());
    FuncRegistration::new_getter("delivery")
        .set_into_module(module, |message: &mut MessageRef| i64::from(message.delivery));
    FuncRegistration::new_getter("again").set_into_module(module, |message: &mut MessageRef| message.message.again);
    FuncRegistration::new_getter("payload").set_into_module(module, |message: &mut MessageRef| message.payload());
    FuncRegistration::new_getter("json").set_into_module(module, |message: &mut MessageRef| message.json());
    FuncRegistration::new_getter("text").set_into_module(module, |message: &mut MessageRef| message.text());
    FuncRegistration::new_getter("bytes").set_into_module(module, |message: &mut MessageRef| message.bytes());
    for name in ["to_string", "to_debug"] {
        FuncRegistration::new(name).set_into_module(module, |message: &mut MessageRef| {
            ImmutableString::from(String::from_utf8_lossy(&message.message.body).into_owned())
        });
    }
    let settle = |name| FuncRegistration::new(name).with_volatility(true);
    settle("reject").set_into_module(module, |ncc: NativeCallContext<'_>| say(&ncc, Verdict::Reject(String::new())));
    settle("reject")
        .set_into_module(module, |ncc: NativeCallContext<'_>, why: &str| say(&ncc, Verdict::Reject(why.to_owned())));
    settle("abandon").set_into_module(module, |ncc: NativeCallContext<'_>| say(&ncc, Verdict::Abandon));
}

/// Notes what is to become of the message when its handler ends; the handler goes on.
fn say(ncc: &NativeCallContext<'_>, verdict: Verdict) -> Result<(), Box<EvalAltResult>> {
    let call = call(ncc)?;
    let Some(said) = &call.verdict else {
        return fail(format!("{}() is about a message, so it belongs in on_message", ncc.fn_name()));
    };
    let mut said = said.borrow_mut();
    if said.is_some() {
        return fail("what becomes of this message was said already");
    }
    *said = Some(verdict);
    Ok(())
}
