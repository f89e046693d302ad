//! Which HTTP proxy leads to a host, by the variables that every program knows: `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`, in
//! capitals or not. Opens no connection.

use net::ws::Proxy;

use super::resolve::is_this_machine;
use crate::process::Trouble;

/// The first that is set counts.
const NAMES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
/// Hosts that are reached without.
const EXCEPT: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// The proxy for this host; none for this machine's own addresses.
pub(crate) fn proxy_for(host: &str) -> Result<Option<Proxy>, Trouble> {
    choose(host, &|name| std::env::var(name).ok())
}

fn choose(host: &str, variables: &dyn Fn(&str) -> Option<String>) -> Result<Option<Proxy>, Trouble> {
    let set = |name: &&'static str| Some((*name, variables(name).filter(|value| !value.trim().is_empty())?));
    let Some((name, address)) = NAMES.iter().find_map(set) else { return Ok(None) };
    let excepted = EXCEPT.iter().find_map(set).is_some_and(|(_, list)| excepts(&list, host));
    if is_this_machine(host) || excepted {
        return Ok(None);
    }
    // The address is not shown: a password may stand in it.
    address.parse().map(Some).map_err(|error| {
        Trouble::usage(format!("{name}: {error}")).help(format!("NO_PROXY={host} goes there without a proxy"))
    })
}

/// `*`, a name, or a domain with or without a dot before it.
fn excepts(list: &str, host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    list.split(',').map(|part| part.trim().to_ascii_lowercase()).filter(|part| !part.is_empty()).any(|part| {
        let domain = part.strip_prefix('.').unwrap_or(&part);
        part == "*" || host == domain || host.strip_suffix(domain).is_some_and(|front| front.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_is_chosen_by_table() {
        for (set, host, proxy) in [
            (&[][..], "hub.example", None),
            (&[("HTTPS_PROXY", "http://p:3128")], "hub.example", Some("p:3128")),
            (&[("https_proxy", "p:3128"), ("ALL_PROXY", "q:1")], "hub.example", Some("p:3128")),
            (&[("HTTPS_PROXY", " "), ("all_proxy", "q:1")], "hub.example", Some("q:1")),
            (&[("HTTPS_PROXY", "p:1")], "localhost", None),
            (&[("HTTPS_PROXY", "p:1")], "127.0.0.9", None),
            (&[("HTTPS_PROXY", "p:1"), ("NO_PROXY", "a.example, .Hub.example")], "my.hub.EXAMPLE", None),
            (&[("HTTPS_PROXY", "p:1"), ("no_proxy", "hub.example")], "my-hub.example", Some("p:1")),
            (&[("HTTPS_PROXY", "p:1"), ("NO_PROXY", "*")], "hub.example", None),
        ] {
            let variables = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            let chosen = choose(host, &variables).unwrap();
            assert_eq!(chosen.map(|proxy| proxy.to_string()).as_deref(), proxy, "{set:?} {host}");
        }
        let wrong = |_: &str| Some("socks5://me:secret@p".to_owned());
        let said = choose("10.0.0.1", &|name| if name == "HTTPS_PROXY" { wrong(name) } else { None }).err();
        let said = said.map(|trouble| trouble.found.to_string()).unwrap_or_default();
        assert!(said.contains("HTTPS_PROXY") && !said.contains("secret"), "{said}");
    }
}
