//! `device.run()`, `device.read()`: what scripts may touch of the machine, as far as it was granted.

use std::io::Read as _;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use base::did_you_mean;
use rhai::{FuncRegistration, Map};
use script::{Array, Dynamic, ImmutableString, Module, NativeCallContext, type_in_words, wait};

use super::device::DeviceRef;
use super::native::{Answer, call, duration_of, fail, failed};
use crate::device::Device;
use crate::grants::{Denied, Grants};
use crate::program::{Program, Ran};

/// How long a program may take, unless the script says otherwise.
const DEADLINE: Duration = Duration::from_secs(60);

/// Programs of one device at once.
const MOST_PROGRAMS: u8 = 8;

/// Arguments of a program, and bytes of them and of its input together: systems take more, scripts need less.
const MOST_ARGUMENTS: usize = 256;
const MOST_INPUT: usize = 256 * 1024;

/// Bytes of a file that is read. A script's text may have 1 MiB.
const MOST_READ: u64 = 512 * 1024;

/// What `run` takes besides program and arguments.
const OPTIONS: [&str; 3] = ["stdin", "env", "timeout"];

pub(super) fn register(module: &mut Module) {
    let method = |name| FuncRegistration::new(name).with_volatility(true);
    method("run").set_into_module(module, |ncc: NativeCallContext<'_>, _: &mut DeviceRef, program: &str| {
        run(&ncc, program, &Array::new(), &Map::new())
    });
    method("run").set_into_module(
        module,
        |ncc: NativeCallContext<'_>, _: &mut DeviceRef, program: &str, args: Array| {
            run(&ncc, program, &args, &Map::new())
        },
    );
    method("run").set_into_module(
        module,
        |ncc: NativeCallContext<'_>, _: &mut DeviceRef, program: &str, args: Array, options: Map| {
            run(&ncc, program, &args, &options)
        },
    );
    method("read")
        .set_into_module(module, |ncc: NativeCallContext<'_>, _: &mut DeviceRef, path: &str| read_text(&ncc, path));
    method("read_bytes")
        .set_into_module(module, |ncc: NativeCallContext<'_>, _: &mut DeviceRef, path: &str| read(&ncc, path));
}

/// A program that counts among its device's as long as it runs.
struct Running(Rc<Device>);

impl Running {
    fn new(device: &Rc<Device>) -> Option<Self> {
        let count = device.programs.get();
        (count < MOST_PROGRAMS).then(|| {
            device.programs.set(count + 1);
            Self(Rc::clone(device))
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.programs.set(self.0.programs.get() - 1);
    }
}

fn run(ncc: &NativeCallContext<'_>, program: &str, args: &Array, options: &Map) -> Answer<Map> {
    let device = Rc::clone(&call(ncc)?.device);
    let program = prepare(&device.lane.habits.grants, program, args, options)?;
    if let Some(fakes) = &device.lane.habits.fakes {
        return fakes.ran(&program).map(answer).or_else(fail);
    }
    let Some(running) = Running::new(&device) else {
        return fail(format!("{MOST_PROGRAMS} programs of this device run already"));
    };
    let name = program.path.display().to_string();
    let ran = wait(ncc, async move {
        let ran = program.run().await;
        drop(running);
        ran
    })?;
    match ran {
        Ok(ran) => Ok(answer(ran)),
        Err(error) => fail(format!("{name} cannot be run: {error}")),
    }
}

fn answer(ran: Ran) -> Map {
    let mut map = Map::new();
    map.insert("code".into(), ran.code.into());
    map.insert("out".into(), ran.out.into());
    map.insert("err".into(), ran.err.into());
    map.insert("timed_out".into(), ran.timed_out.into());
    map.insert("truncated".into(), ran.truncated.into());
    map
}

/// Everything that is known to be wrong before anything runs.
fn prepare(grants: &Grants, program: &str, args: &Array, options: &Map) -> Answer<Program> {
    if args.len() > MOST_ARGUMENTS {
        return fail(format!("a program takes at most {MOST_ARGUMENTS} arguments"));
    }
    let args: Vec<String> = args.iter().map(|arg| word(arg, "an argument")).collect::<Result<_, _>>()?;
    let path = grants.may_run(program, &args).or_else(|error| failed(&error))?;
    let mut ready = Program { path, args, stdin: Vec::new(), env: Vec::new(), timeout: DEADLINE };
    for (key, value) in options {
        match key.as_str() {
            "stdin" => {
                ready.stdin = match value.as_blob_ref() {
                    Ok(bytes) => bytes.clone(),
                    Err(_) => text(value, "`stdin`")?.into_bytes(),
                };
            }
            "env" => ready.env = environment(grants, value)?,
            "timeout" => ready.timeout = duration_of(value).or_else(fail)?,
            _ => {
                let near = did_you_mean(key, OPTIONS).map_or_else(
                    || format!("there is {}", OPTIONS.join(", ")),
                    |near| format!("did you mean `{near}`?"),
                );
                return fail(format!("`{key}` is not an option of run: {near}"));
            }
        }
    }
    let words =
        ready.args.iter().map(String::len).chain(ready.env.iter().map(|(name, value)| name.len() + value.len()));
    if words.sum::<usize>() + ready.stdin.len() > MOST_INPUT {
        return fail(format!("a program is given at most {} KiB", MOST_INPUT / 1024));
    }
    Ok(ready)
}

fn environment(grants: &Grants, value: &Dynamic) -> Answer<Vec<(String, String)>> {
    let Some(map) = value.read_lock::<Map>() else { return fail("`env` is a map of texts") };
    let mut env = Vec::new();
    for (name, value) in map.iter() {
        grants.may_set(name).or_else(|error| failed(&error))?;
        env.push((name.to_string(), word(value, "a variable")?));
    }
    Ok(env)
}

/// A text, or a number or a truth value as a text, without the character that ends words of a system.
fn word(value: &Dynamic, what: &str) -> Answer<String> {
    let text =
        if value.is_int() || value.is_float() || value.is_bool() { value.to_string() } else { text(value, what)? };
    if text.contains('\0') { fail(format!("{what} has a NUL in it")) } else { Ok(text) }
}

fn text(value: &Dynamic, what: &str) -> Answer<String> {
    match value.as_immutable_string_ref() {
        Ok(text) => Ok(text.to_string()),
        Err(_) => fail(format!("{what} is a text, this is {}", type_in_words(value))),
    }
}

fn read_text(ncc: &NativeCallContext<'_>, path: &str) -> Answer<ImmutableString> {
    match String::from_utf8(read(ncc, path)?) {
        Ok(text) => Ok(text.into()),
        Err(_) => fail(format!("{path} is no text: `read_bytes` gives what is in it")),
    }
}

fn read(ncc: &NativeCallContext<'_>, path: &str) -> Answer<Vec<u8>> {
    let call = call(ncc)?;
    let habits = &call.device.lane.habits;
    if let Some(fakes) = &habits.fakes {
        return fakes.file(path).or_else(fail);
    }
    let grants = Arc::clone(&habits.grants);
    let wanted = path.to_owned();
    let read = wait(ncc, tokio::task::spawn_blocking(move || bytes(&grants, &wanted)))?;
    match read {
        Ok(Ok(bytes)) if bytes.len() as u64 > MOST_READ => {
            fail(format!("{path} is longer than {} KiB, which is the most that is read", MOST_READ / 1024))
        }
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => failed(&error),
        Err(error) => fail(format!("reading {path} failed: {error}")),
    }
}

fn bytes(grants: &Grants, path: &str) -> Result<Vec<u8>, Denied> {
    let mut bytes = Vec::new();
    let mut file = grants.open_to_read(path)?.take(MOST_READ + 1);
    file.read_to_end(&mut bytes).map_err(|source| Denied::File { path: path.to_owned(), source })?;
    Ok(bytes)
}
