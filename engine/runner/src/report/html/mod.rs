//! `--report html=FILE`: one page that holds all it needs, for a person to look at. The data is made here; how it looks and
//! what it can be asked stand in page.css, page.js and data.js.

mod data;
mod page;

pub(super) use page::render;
