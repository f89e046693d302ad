//! The stories: what a person or a program does with the binary, from outside. One file per feature; each story starts its own
//! processes in its own folder and leaves nothing behind.

mod agent;
mod bad_input;
mod certificates;
mod devices;
mod durability;
mod examples;
mod kills;
mod main_job;
mod newcomer;
mod output;
mod provisioning;
mod scripts;
mod sdk_drops;
mod sdk_node;
mod sdk_pair;
mod sdk_python;
mod secrets;
mod signals;
mod snapshots;
mod stage_set;
mod throttled;
mod watch;
