//! Whole runs over fake verbs and fake devices, in paused time: semantics, exit codes, the screen, scale.

mod batches;
mod crowd;
mod deeds;
mod fake;
mod fleet;
mod gather;
mod journal;
mod language;
mod made;
mod outcomes;
mod playbooks;
mod resumes;
mod safety;
mod screen;
mod scripts;
mod together;
mod told;
mod verbs;
mod when;
mod world;
