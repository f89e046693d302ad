//! The stories of an official SDK's device and service, told once for every language: each with the other and with our own
//! counterpart. What differs between the languages is a [`Language`].

use std::path::Path;
use std::time::Duration;

use stage::{LocalHub, Program, Sdk};

use crate::stage_set::{Set, empty, with_wrong_key};

/// A device program's start, a 20 s reboot, five seconds between looks, and a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// One language's SDKs, and what its programs print differently.
pub(crate) struct Language {
    /// Makes the environment; none where it cannot be had.
    pub(crate) sdk: fn(&Path) -> Option<Sdk>,
    /// The ending of its programs.
    pub(crate) ending: &'static str,
    /// Seconds of the pair's reboot.
    pub(crate) reboot: &'static str,
    /// What the device prints of the service's payload.
    pub(crate) from_service: &'static str,
    /// What it prints of the playbook's.
    pub(crate) from_playbook: &'static str,
    /// What it prints of the job's.
    pub(crate) from_job: &'static str,
    /// What the registry program says beyond what all of them say, in small letters.
    pub(crate) of_registry: &'static [&'static str],
    /// What the jobs program says of lists and errors, in the SDK's own words.
    pub(crate) of_jobs: &'static [&'static str],
}

/// A hub on an address of its own, and the SDKs.
struct Scene<'a> {
    language: &'a Language,
    set: Set,
    hub: LocalHub,
    sdk: Sdk,
}

impl Language {
    fn scene(&self) -> Option<Scene<'_>> {
        let set = empty();
        let sdk = (self.sdk)(set.iotplay.binary())?;
        let hub = LocalHub::for_sdks(&set.iotplay)?;
        Some(Scene { language: self, set, hub, sdk })
    }

    /// Their device, their service.
    pub(crate) fn the_pair_talks_through_our_hub(&self) {
        let Some(scene) = self.scene() else { return };
        let mut device = scene.device("press-1", self.reboot);
        let service = scene.service("press-1").end(PATIENCE);
        assert_eq!(service.code, Some(0), "{} {}", service.out, service.err);
        assert!(service.out.contains("reply 200") && service.out.contains("back again"), "{}", service.out);
        assert!(device.line("called").contains(self.from_service), "{}", device.line("called"));
        let reported = device.line("reported").replace("reported ", "");
        assert!(service.out.contains(&format!("rebootTime {reported}")), "{}", service.out);
        device.line("answered");
    }

    /// Their device, our runner.
    pub(crate) fn their_device_with_our_playbook(&self) {
        let Some(scene) = self.scene() else { return };
        let mut device = scene.device("press-2", "3");
        let run = scene.set.iotplay.run(&["run", "reboot.yaml"]);
        assert_eq!(run.code, Some(0), "{}", run.err);
        let reported = device.line("reported").replace("reported ", "");
        assert_eq!(run.out, format!("Last reboot time: {reported}"));
        assert!(device.line("called").contains(self.from_playbook), "{}", device.line("called"));
    }

    /// Their device by port 443, our runner; and our agent beside it.
    pub(crate) fn their_device_by_websocket(&self) {
        let Some(mut scene) = self.scene() else { return };
        if scene.hub.endpoint().https.port() != 443 {
            assert!(std::env::var_os("CI").is_none(), "port 443 cannot be listened on");
            return eprintln!("SKIPPED: port 443 cannot be listened on");
        }
        let connection = scene.hub.device("press-6");
        let variables = [("DEVICE", connection.as_str()), ("REBOOT_SECONDS", "1"), ("WEBSOCKET", "1")];
        let mut device = scene.program("device", &variables);
        device.line("listening");
        let run = scene.set.iotplay.run(&["run", "reboot.yaml"]);
        assert_eq!(run.code, Some(0), "{}", run.err);
        let reported = device.line("reported").replace("reported ", "");
        assert_eq!(run.out, format!("Last reboot time: {reported}"));
        assert!(scene.hub.program().line("press-6  telemetry").contains(&reported));
        let mut agent = scene.set.iotplay.start(&["agent", "--websocket", "--sim-reboot", "1s"]);
        agent.line("connected");
        let called = scene.set.iotplay.run(&["invoke", "sim-1", "rebootDevice", "{}"]);
        assert_eq!(called.code, Some(0), "{}", called.err);
    }

    /// Our agent, their service.
    pub(crate) fn our_agent_with_their_service(&self) {
        let Some(scene) = self.scene() else { return };
        let mut agent = scene.set.iotplay.start(&["agent", "--sim-reboot", "3s"]);
        agent.line("connected");
        let service = scene.service("sim-1").end(PATIENCE);
        assert_eq!(service.code, Some(0), "{} {}", service.out, service.err);
        assert!(service.out.contains("reply 200") && service.out.contains("rebootTime 20"), "{}", service.out);
        agent.line("Rebooting device");
    }

    /// Their jobs, their device.
    pub(crate) fn their_jobs_reach_their_device(&self) {
        let Some(scene) = self.scene() else { return };
        let mut device = scene.device("press-4", "1");
        let jobs = scene.program("jobs", &[("SERVICE", &scene.hub.service()), ("DEVICE_ID", "press-4")]).end(PATIENCE);
        assert_eq!(jobs.code, Some(0), "{} {}", jobs.out, jobs.err);
        let same = [
            "twins completed 1 of 1, 0 failed",
            "twin 3 7",
            "calls completed 1 of 1, 0 failed",
            "planned scheduled",
            "called off cancelled cancelled",
            "wrong failed SQL query parse failed",
        ];
        for line in same.iter().chain(self.of_jobs) {
            assert!(jobs.out.contains(line), "{line}: {}", jobs.out);
        }
        assert!(device.line("called").contains(self.from_job), "{}", device.line("called"));
    }

    /// Their identities, twins and queries, by every way their SDK has.
    pub(crate) fn their_registrar_finds_its_way(&self) {
        let Some(scene) = self.scene() else { return };
        let seen = scene.program("registry", &[("SERVICE", &scene.hub.service())]).end(PATIENCE);
        assert_eq!(seen.code, Some(0), "{} {}", seen.out, seen.err);
        let same = [
            "made reg-1 enabled 44 true",
            "again 409",
            "changed disabled true",
            "thumbprints selfsigned true",
            "signed certificateauthority",
            "list reg-1,reg-2,reg-3",
            "bulk made true",
            "bulk gone true",
            "counts 4 3 1",
            "modules camera",
            "module twin camera 25",
            "module gone 404",
            "old twin 412",
            "pages reg-1,reg-2,reg-3",
            "found reg-1",
            "no query 400",
            "gone 404",
        ];
        let out = seen.out.to_lowercase();
        for line in same.iter().chain(self.of_registry) {
            assert!(out.lines().any(|said| said == *line), "{line}: {out}");
        }
    }

    /// Their module and its back end: twin, desired change, method, report, telemetry.
    pub(crate) fn their_module_is_served(&self) {
        let Some(mut scene) = self.scene() else { return };
        let seen = scene.program("module", &[("SERVICE", &scene.hub.service())]).end(PATIENCE);
        assert_eq!(seen.code, Some(0), "{} {}", seen.out, seen.err);
        let out = seen.out.to_lowercase().replace(' ', "");
        let lines = ["twin['$version']", "desired252", "calledzoom3", "reply201true", "reported25connected"];
        for line in lines {
            assert!(out.lines().any(|said| said == line), "{line}: {out}");
        }
        assert!(scene.hub.program().line("telemetry").contains("a frame"));
    }

    /// A device that sleeps, and one that nobody knows.
    pub(crate) fn their_service_is_told_when_nobody_listens(&self) {
        let Some(scene) = self.scene() else { return };
        scene.hub.device("asleep");
        let service = scene.service("asleep").end(PATIENCE);
        assert_eq!(service.code, Some(3), "{}", service.out);
        assert!(service.out.contains("problem"), "{}", service.out);
        let unknown = scene.service("nobody").end(PATIENCE);
        assert_eq!(unknown.code, Some(3), "{}", unknown.out);
    }

    /// A key that is not the device's.
    pub(crate) fn their_device_with_a_wrong_key_is_turned_away(&self) {
        let Some(mut scene) = self.scene() else { return };
        let connection = with_wrong_key(&scene.hub.device("press-3"));
        let device = scene.program("device", &[("DEVICE", &connection)]);
        scene.hub.program().line("press-3");
        assert_eq!(device.count("listening"), 0);
        device.kill();
    }
}

impl Scene<'_> {
    fn program(&self, name: &str, variables: &[(&str, &str)]) -> Program {
        self.sdk.program(&format!("{name}.{}", self.language.ending), self.hub.ca(), variables)
    }

    fn device(&self, id: &str, seconds: &str) -> Program {
        let connection = self.hub.device(id);
        let mut device = self.program("device", &[("DEVICE", &connection), ("REBOOT_SECONDS", seconds)]);
        device.line("listening");
        device
    }

    fn service(&self, id: &str) -> Program {
        self.program("service", &[("SERVICE", &self.hub.service()), ("DEVICE_ID", id)])
    }
}

/// The stories as tests of one language.
macro_rules! stories {
    ($language:expr) => {
        $crate::sdk_pair::stories!($language;
            the_pair_talks_through_our_hub,
            their_device_with_our_playbook,
            our_agent_with_their_service,
            their_jobs_reach_their_device,
            their_registrar_finds_its_way,
            their_module_is_served,
            their_device_by_websocket,
            their_service_is_told_when_nobody_listens,
            their_device_with_a_wrong_key_is_turned_away,
        );
    };
    ($language:expr; $($story:ident,)+) => {
        $(
            #[test]
            fn $story() {
                $language.$story();
            }
        )+
    };
}

pub(crate) use stories;
