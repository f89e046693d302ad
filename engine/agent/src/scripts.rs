//! What a bundle of scripts registered, checked and sorted: which handler for which method, path and hook.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base::{Clock, Diagnostic, Diagnostics, Place, did_you_mean};
use rhai::Map;
use script::{Bundle, Dynamic, Handler, Registration, ScriptHost, type_in_words};

use crate::announce;
use crate::call::Call;
use crate::config::{Deadlines, ScriptPlace};
use crate::params::Params;
use crate::surface::{self, duration_of};

const ON_METHOD: &str = "on_method";
const ON_DESIRED: &str = "on_desired";
const ON_START: &str = "on_start";
const ON_CONNECT: &str = "on_connect";
const ON_BOOT: &str = "on_boot";
const ON_MESSAGE: &str = "on_message";

/// The keys of a handler's options.
const OPTIONS: [&str; 4] = ["mode", "work", "answer", "params"];

/// Those of on_message.
const MESSAGE_OPTIONS: [&str; 2] = ["work", "tries"];

/// Tries of a message, unless its handler says otherwise.
const TRIES: u32 = 5;

/// What happens to a call while another one of the same method runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Both run.
    Parallel,
    /// It waits.
    Queued,
    /// It is answered 409.
    Single,
    /// The other one is ended.
    Restart,
}

/// Their names in scripts.
const MODES: [(&str, Mode); 4] =
    [("parallel", Mode::Parallel), ("queued", Mode::Queued), ("single", Mode::Single), ("restart", Mode::Restart)];

/// A method's handler.
#[derive(Debug)]
pub(crate) struct MethodHandler {
    pub(crate) run: Handler,
    pub(crate) mode: Mode,
    work: Option<Duration>,
    answer: Option<Duration>,
    /// What it says it takes.
    pub(crate) params: Params,
    pub(crate) place: Place,
}

impl MethodHandler {
    /// Its own deadlines, or the agent's.
    pub(crate) fn deadlines(&self, usual: Deadlines) -> Deadlines {
        Deadlines { answer: self.answer.unwrap_or(usual.answer), work: self.work.unwrap_or(usual.work) }
    }
}

/// A desired path's handler; an empty path is the whole section.
#[derive(Debug)]
pub(crate) struct DesiredHandler {
    pub(crate) path: Arc<str>,
    pub(crate) run: Handler,
}

/// The handler of cloud-to-device messages.
#[derive(Debug)]
pub(crate) struct MessageHandler {
    pub(crate) run: Handler,
    pub(crate) work: Option<Duration>,
    /// How often a message is handed over before it is given up.
    pub(crate) tries: u32,
    place: Place,
}

/// All handlers of one load of the scripts. Shared by all devices, never changed.
#[derive(Debug, Default)]
pub(crate) struct Scripts {
    pub(crate) methods: BTreeMap<Arc<str>, MethodHandler>,
    pub(crate) desired: Vec<DesiredHandler>,
    pub(crate) on_start: Vec<Handler>,
    pub(crate) on_connect: Vec<Handler>,
    pub(crate) on_boot: Vec<Handler>,
    pub(crate) on_message: Option<MessageHandler>,
    /// Tells these texts from others.
    pub(crate) version: String,
}

/// The host of device handlers: their hooks, functions and types.
pub(crate) fn host(clock: &Clock) -> ScriptHost {
    let hooks = [ON_METHOD, ON_DESIRED, ON_START, ON_CONNECT, ON_BOOT, ON_MESSAGE];
    let builder = hooks.into_iter().fold(ScriptHost::builder(clock), |builder, hook| builder.hook(hook));
    builder
        .module(surface::module())
        .on_print(|context, text| match context.and_then(|context| context.downcast_ref::<Call>()) {
            Some(call) => call.print(text),
            // At the top level no device is there to speak.
            None => tracing::info!(text, "printed while loading"),
        })
        .build()
}

/// Reads, compiles and sorts. Not for a lane: it reads files.
pub(crate) fn load(host: &ScriptHost, place: &ScriptPlace) -> Result<Scripts, Diagnostics> {
    Scripts::of(&bundle(host, place)?)
}

/// Reads and compiles.
pub(crate) fn bundle(host: &ScriptHost, place: &ScriptPlace) -> Result<Bundle, Diagnostics> {
    match place {
        ScriptPlace::Path(path) => host.load_path(path),
        ScriptPlace::BuiltIn(source) => host.load(std::slice::from_ref(source)),
    }
}

impl Scripts {
    pub(crate) fn of(bundle: &Bundle) -> Result<Self, Diagnostics> {
        let mut scripts = Self { version: announce::version(bundle), ..Self::default() };
        let mut found = Diagnostics::default();
        for registration in bundle.registrations() {
            if let Err(diagnostic) = scripts.take(registration) {
                found.push(diagnostic);
            }
        }
        if found.has_errors() { Err(found) } else { Ok(scripts) }
    }

    fn take(&mut self, registration: &Registration) -> Result<(), Diagnostic> {
        let wrong = |message: String| Diagnostic::error(message).at(registration.place.clone());
        match registration.hook {
            ON_METHOD => self.method(registration),
            ON_DESIRED => {
                let [path, _] = arguments(registration, &["path", "|device, value, version|"])?;
                let path = text(path)
                    .ok_or_else(|| wrong("the path of on_desired is a text, such as \"config.interval\"".into()))?;
                let path = if path == "*" { String::new() } else { path };
                if !path.is_empty() && path.split('.').any(str::is_empty) {
                    return Err(wrong(format!("`{path}` is not a path: write the names with one dot between them")));
                }
                self.desired.push(DesiredHandler {
                    path: path.into(),
                    run: closure(registration, 3, "|device, value, version|")?,
                });
                Ok(())
            }
            ON_MESSAGE => self.message(registration),
            hook => {
                let [_] = arguments(registration, &["|device|"])?;
                let handler = closure(registration, 1, "|device|")?;
                match hook {
                    ON_START => self.on_start.push(handler),
                    ON_CONNECT => self.on_connect.push(handler),
                    _ => self.on_boot.push(handler),
                }
                Ok(())
            }
        }
    }

    fn message(&mut self, registration: &Registration) -> Result<(), Diagnostic> {
        let wrong = |message: &str| Diagnostic::error(message).at(registration.place.clone());
        let options = match registration.args.as_slice() {
            [_] => None,
            [options, _] => Some(options),
            _ => return Err(wrong("on_message takes options if need be, and a closure").help(ON_MESSAGE_HELP)),
        };
        let run = closure(registration, 2, "|device, message|")?;
        let mut handler = MessageHandler { run, work: None, tries: TRIES, place: registration.place.clone() };
        if let Some(options) = options {
            let map = options.read_lock::<Map>();
            let map = map.ok_or_else(|| wrong("the options of on_message are a map").help(ON_MESSAGE_HELP))?;
            for (key, value) in map.iter() {
                match key.as_str() {
                    "work" => {
                        handler.work = deadline(key, value).map_err(|error| error.at(registration.place.clone()))?;
                    }
                    "tries" => match value.as_int().map(u32::try_from) {
                        Ok(Ok(tries)) if tries > 0 => handler.tries = tries,
                        _ => return Err(wrong("`tries` is a whole number, 1 or more")),
                    },
                    _ => {
                        return Err(unknown("option", ON_MESSAGE, key, MESSAGE_OPTIONS).at(registration.place.clone()));
                    }
                }
            }
        }
        if let Some(first) = &self.on_message {
            return Err(wrong("there is an on_message already")
                .note("the second one")
                .help(format!("the first one is at {}: every message goes to one handler", first.place.label())));
        }
        self.on_message = Some(handler);
        Ok(())
    }

    fn method(&mut self, registration: &Registration) -> Result<(), Diagnostic> {
        let wrong = |message: &str| Diagnostic::error(message).at(registration.place.clone());
        let (name, options) = match registration.args.as_slice() {
            [name, _] => (name, None),
            [name, options, _] => (name, Some(options)),
            _ => return Err(wrong("on_method takes a name, options if need be, and a closure").help(ON_METHOD_HELP)),
        };
        let name = text(name).filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| wrong("the name of a method is a text").help(ON_METHOD_HELP))?;
        let mut handler = MethodHandler {
            run: closure(registration, 2, "|device, request|")?,
            mode: Mode::Parallel,
            work: None,
            answer: None,
            params: Params::default(),
            place: registration.place.clone(),
        };
        if let Some(options) = options {
            let map = options.read_lock::<Map>();
            let map = map.ok_or_else(|| wrong("the options of on_method are a map").help(ON_METHOD_HELP))?;
            for (key, value) in map.iter() {
                handler.option(key, value).map_err(|error| error.at(registration.place.clone()))?;
            }
        }
        if let Some(first) = self.methods.get(name.as_str()) {
            return Err(wrong(&format!("`{name}` has a handler already")).note("the second one").help(format!(
                "the first one is at {}: keep one of them, or name one differently",
                first.place.label()
            )));
        }
        self.methods.insert(name.into(), handler);
        Ok(())
    }
}

const ON_MESSAGE_HELP: &str =
    "on_message(|device, message| { .. }), or with options: on_message(#{ tries: 3 }, |device, message| { .. })";

const ON_METHOD_HELP: &str = "on_method(\"name\", |device, request| { .. }), or with options: on_method(\"name\", #{ mode: \"single\" }, |device, request| { .. })";

impl MethodHandler {
    fn option(&mut self, key: &str, value: &Dynamic) -> Result<(), Diagnostic> {
        match key {
            "mode" => {
                let name = text(value).unwrap_or_default();
                let mode = MODES.iter().find(|(known, _)| *known == name);
                self.mode = mode
                    .map(|(_, mode)| *mode)
                    .ok_or_else(|| unknown("mode", ON_METHOD, &name, MODES.map(|(known, _)| known)))?;
            }
            "work" => self.work = deadline(key, value)?,
            "params" => self.params = Params::read(value).map_err(Diagnostic::error)?,
            "answer" => self.answer = deadline(key, value)?,
            _ => return Err(unknown("option", ON_METHOD, key, OPTIONS)),
        }
        Ok(())
    }
}

fn deadline(key: &str, value: &Dynamic) -> Result<Option<Duration>, Diagnostic> {
    match duration_of(value) {
        Ok(time) if time.is_zero() => Err(Diagnostic::error(format!("`{key}` must be longer than nothing"))),
        Ok(time) => Ok(Some(time)),
        Err(why) => Err(Diagnostic::error(format!("`{key}`: {why}"))),
    }
}

fn unknown<const N: usize>(what: &str, hook: &str, name: &str, known: [&'static str; N]) -> Diagnostic {
    let help = match did_you_mean(name, known) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("there is {}", known.join(", ")),
    };
    Diagnostic::error(format!("`{name}` is not {} {what} of {hook}", if what == "option" { "an" } else { "a" }))
        .help(help)
}

fn arguments<'a, const N: usize>(
    registration: &'a Registration,
    wanted: &[&str; N],
) -> Result<&'a [Dynamic; N], Diagnostic> {
    <&[Dynamic; N]>::try_from(registration.args.as_slice()).map_err(|_| {
        let hook = registration.hook;
        Diagnostic::error(format!("{hook} takes {N} argument{}", if N == 1 { "" } else { "s" }))
            .at(registration.place.clone())
            .help(format!("{hook}({})", wanted.join(", ")))
    })
}

/// The closure, which stands last and takes what the hook hands over.
fn closure(registration: &Registration, parameters: usize, shape: &str) -> Result<Handler, Diagnostic> {
    let hook = registration.hook;
    let last = registration.args.last();
    let handler =
        registration.handler.clone().filter(|_| last.is_some_and(|last| last.is_fnptr())).ok_or_else(|| {
            Diagnostic::error(format!(
                "the last argument of {hook} is a closure, this is {}",
                last.map_or("nothing", type_in_words)
            ))
            .at(registration.place.clone())
            .help(format!("{shape} {{ .. }}"))
        })?;
    match handler.parameters() {
        Some(count) if count != parameters => Err(Diagnostic::error(format!(
            "the closure of {hook} takes {parameters} parameter{}, this one takes {count}",
            if parameters == 1 { "" } else { "s" }
        ))
        .at(registration.place.clone())
        .help(format!("{shape} {{ .. }}"))),
        _ => Ok(handler),
    }
}

fn text(value: &Dynamic) -> Option<String> {
    value.as_immutable_string_ref().ok().map(|text| text.to_string())
}
