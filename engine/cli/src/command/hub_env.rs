//! `iotplay hub env`: the exports that let SDK programs of a shell trust and reach the hub running for this folder. Prints them,
//! runs nothing.

use crate::args::Common;

use crate::process::{CommandResult, Exit, Stdout, Trouble};
use crate::project;

/// Prints the exports on stdout; only a running hub has an address to export.
pub(crate) fn run(common: &Common) -> CommandResult {
    let Some(endpoint) = hub::find(&common.data) else {
        return Err(Trouble::usage(format!("no hub runs for {}", common.data.display()))
            .help("start one in another terminal: iotplay hub"));
    };
    let bundle = project::write_bundle(&endpoint.ca)?;
    let bundle = quoted(&bundle.display().to_string());
    // The one place where a key is printed on purpose: this output is made to be evaluated by a shell.
    Stdout::line(&format!("export {}={}", project::SERVICE_VARIABLE, quoted(endpoint.service.expose())));
    Stdout::line(&format!("export SSL_CERT_FILE={bundle}"));
    Stdout::line(&format!("export REQUESTS_CA_BUNDLE={bundle}"));
    Stdout::line(&format!("export NODE_EXTRA_CA_CERTS={}", quoted(&endpoint.ca.display().to_string())));
    Ok(Exit::OK)
}

/// A word for a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_in_a_folder_does_not_end_the_word() {
        assert_eq!(quoted("/tmp/it's;rm"), r"'/tmp/it'\''s;rm'");
    }
}
