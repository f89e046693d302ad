//! Which hub a device is assigned to.

use wire::dps::{AllocationPolicy, Enrollment, RegistrationId};

use super::Link;

/// The place of the chosen hub among `links`.
///
/// # Errors
/// Why there is none, as a sentence.
pub(crate) fn choose(
    enrollment: &Enrollment,
    registration: &RegistrationId,
    links: &[Link<'_>],
) -> Result<usize, String> {
    let named: Vec<&str> =
        enrollment.iot_hub_host_name.iter().chain(&enrollment.iot_hubs).map(String::as_str).collect();
    let meant = |link: &Link<'_>| named.is_empty() || named.iter().any(|name| link.is_called(name));
    let candidates: Vec<usize> = (0..links.len()).filter(|index| meant(&links[*index])).collect();
    let Some(first) = candidates.first() else {
        let linked: Vec<&str> = links.iter().map(|link| link.name).collect();
        return Err(format!("None of the hubs {} is linked; linked are {}.", named.join(", "), linked.join(", ")));
    };
    match enrollment.allocation_policy.unwrap_or(AllocationPolicy::Hashed) {
        AllocationPolicy::Hashed => {
            let place = hash(&registration.key()) % candidates.len() as u64;
            Ok(candidates[usize::try_from(place).unwrap_or(0)])
        }
        // All are equally near; the first is the one that is named first by no accident.
        AllocationPolicy::GeoLatency | AllocationPolicy::Static => Ok(*first),
        AllocationPolicy::Custom => Err("Custom allocation is not supported by this local service.".into()),
    }
}

/// FNV-1a: the same on every machine and in every version.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
