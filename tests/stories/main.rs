//! The stories: what a person or a program does with the binary, from outside. One file per feature; each story starts its own
//! processes in its own folder and leaves nothing behind.

mod agent;
mod bad_input;
mod canaries;
mod devices;
mod documents;
mod durability;
mod examples;
mod faults;
mod fleets;
mod jobs;
mod kills;
mod kills_messages;
mod main_job;
mod messages;
mod newcomer;
mod operations;
mod output;
mod plays;
mod reports;
mod reports_read;
mod resume_words;
mod resumes;
mod scripts;
mod sdk_drops;
mod sdk_node;
mod sdk_pair;
mod sdk_python;
mod secrets;
mod signals;
mod snapshots;
mod stage_set;
mod telemetry;
mod throttled;
mod told;
mod watch;
