//! `text.replace(find, by)`, in place of Rhai's own: that one looks at the size of a text when it is made, and a megabyte in
//! which each letter becomes a megabyte is more than any machine has. This one counts first.

use rhai::{EvalAltResult, FuncRegistration, ImmutableString, Module, NativeCallContext, Position};

type Answer = Result<(), Box<EvalAltResult>>;

pub(super) fn register(module: &mut Module) {
    FuncRegistration::new("replace")
        .set_into_module(module, |ncc: NativeCallContext<'_>, text: &mut ImmutableString, find: &str, by: &str| {
            replace(&ncc, text, find, by)
        });
    FuncRegistration::new("replace").set_into_module(
        module,
        |ncc: NativeCallContext<'_>, text: &mut ImmutableString, find: char, by: &str| {
            replace(&ncc, text, find.encode_utf8(&mut [0; 4]), by)
        },
    );
}

fn replace(ncc: &NativeCallContext<'_>, text: &mut ImmutableString, find: &str, by: &str) -> Answer {
    let most = ncc.engine().max_string_size();
    let found = text.matches(find).count();
    // What is found lies in the text side by side, so the subtraction holds.
    let bytes = found.saturating_mul(by.len()).saturating_add(text.len() - found * find.len());
    if most > 0 && bytes > most {
        return Err(EvalAltResult::ErrorDataTooLarge("Length of string".to_owned(), Position::NONE).into());
    }
    if found > 0 {
        *text = text.replace(find, by).into();
    }
    Ok(())
}
