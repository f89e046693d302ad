//! `iotplay hub uploads`: the files that devices have uploaded to the local hub, those that come, and their contents.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use iothub::{ClientError, HubClient};
use wire::blob::{BlobName, UploadDocument, UploadQuery, UploadStatus};

use crate::args::{Common, TailOutput, UploadsArgs};
use crate::process::{CommandResult, Exit, Signals, Stdout, Trouble, err};
use crate::world::{Embed, Screen, World, trouble};

/// How long one question waits for an upload's end; the next one follows at once.
const WAIT: Duration = Duration::from_secs(15);

/// What stands for stdout in the place of a file.
const STDOUT: &str = "-";

/// Prints uploads until there are no more, or until interrupted; or fetches or removes a file.
pub(crate) async fn run(common: &Common, args: UploadsArgs) -> CommandResult {
    let signals = Signals::listen()?;
    let stop = signals.asked().clone();
    let follow = args.follow;
    let work = async {
        let device = args.device.as_deref().map(super::device_id).transpose()?;
        let world = World::open(common, Embed::No, &Screen::new(false).lines).await?;
        match (&args.get, &args.into, &args.remove) {
            (Some(file), Some(into), _) if into.as_os_str() == STDOUT => print(world.client(), file).await,
            (Some(file), Some(into), _) => fetch(world.client(), file, into, args.force).await,
            (_, _, Some(file)) => remove(world.client(), file).await,
            _ => list(world.client(), UploadQuery { device, ..UploadQuery::default() }, follow, args.output).await,
        }
    };
    tokio::select! {
        ended = work => ended,
        // Whoever follows ends it so.
        () = stop.cancelled() => Ok(if follow { Exit::OK } else { signals.exit().unwrap_or(Exit::INTERRUPTED) }),
    }
}

async fn list(client: &HubClient, mut query: UploadQuery, follow: bool, output: TailOutput) -> CommandResult {
    loop {
        let page = client.uploads(&query).await.map_err(|error| refused(&error))?;
        // Who follows wants to know what came of them; what is under way is still to come.
        let shown = page.uploads.iter().filter(|upload| !follow || upload.status != UploadStatus::Pending);
        for upload in shown {
            match output {
                TailOutput::Text => Stdout::line(&line(upload)),
                TailOutput::Ndjson => {
                    Stdout::line(&serde_json::to_string(upload).map_err(|error| Trouble::internal(error.to_string()))?);
                }
            }
        }
        if page.uploads.is_empty() && !follow {
            return Ok(Exit::OK);
        }
        query.after = Some(page.next);
        query.wait = if follow { WAIT } else { Duration::ZERO };
    }
}

async fn remove(client: &HubClient, file: &BlobName) -> CommandResult {
    client.remove_file(file).await.map_err(|error| refused(&error))?;
    err(&format!("removed {file}"));
    Ok(Exit::OK)
}

/// A file beside its place, gone again unless it is moved there.
struct Beside(PathBuf);

impl Drop for Beside {
    fn drop(&mut self) {
        // Missing once it has its place.
        let _ = fs::remove_file(&self.0);
    }
}

/// Writes a file's content, piece by piece, beside its place and moves it there when it is whole.
async fn fetch(client: &HubClient, file: &BlobName, into: &Path, force: bool) -> CommandResult {
    if !force && into.exists() {
        return Err(Trouble::usage(format!("{} exists", into.display())).help("another -o FILE, or --force"));
    }
    let refused_by_disk = |error: std::io::Error| Trouble::usage(format!("cannot write {}: {error}", into.display()));
    let mut name = into.file_name().ok_or_else(|| Trouble::usage("-o names no file"))?.to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let beside = Beside(into.with_file_name(name));
    let mut out = OpenOptions::new().write(true).create_new(true).open(&beside.0).map_err(refused_by_disk)?;
    let mut write = |bytes: &[u8]| out.write_all(bytes).map_err(refused_by_disk);
    let written = pieces(client, file, &mut write).await?;
    out.sync_all().map_err(refused_by_disk)?;
    fs::rename(&beside.0, into).map_err(refused_by_disk)?;
    err(&format!("wrote {}, {written} bytes", into.display()));
    Ok(Exit::OK)
}

/// Writes a file's content to stdout, as it comes.
async fn print(client: &HubClient, file: &BlobName) -> CommandResult {
    // What stdout does not take is told at the end, as for every command.
    let mut write = |bytes: &[u8]| Stdout.write_all(bytes).map_err(|error| Trouble::internal(error.to_string()));
    pieces(client, file, &mut write).await?;
    Ok(Exit::OK)
}

/// Hands over a file's content piece by piece, all of one version. Returns how many bytes it has.
async fn pieces(
    client: &HubClient,
    file: &BlobName,
    write: &mut dyn FnMut(&[u8]) -> Result<(), Trouble>,
) -> Result<u64, Trouble> {
    let (mut written, mut version) = (0, None);
    loop {
        let piece = client.file_piece(file, written, version.clone()).await.map_err(|error| refused(&error))?;
        write(&piece.bytes)?;
        written += piece.bytes.len() as u64;
        version = piece.etag;
        if piece.last {
            return Ok(written);
        }
    }
}

fn refused(error: &ClientError) -> Trouble {
    match error {
        ClientError::Unusable(why) => {
            Trouble::usage(why.as_str()).help("az storage blob list; or a receiver of file notifications of the SDKs")
        }
        error => trouble(error, None),
    }
}

/// `19:02:11.123  press-7  logs/a.txt  completed  1024 bytes  "words"`
fn line(upload: &UploadDocument) -> String {
    let time = upload.enqueued_time_utc.as_ref().unwrap_or(&upload.requested_time_utc);
    let time = time.get(..19).map_or_else(|| time.clone(), |time| time.replace('T', " "));
    let size = upload.blob_size_in_bytes.map_or_else(String::new, |bytes| format!("  {bytes} bytes"));
    let failed = upload.status == UploadStatus::Failed;
    let words = upload.status_description.as_deref().filter(|words| failed && !words.is_empty());
    let words = words.map_or_else(String::new, |words| format!("  {words}"));
    let line = format!("{time}  {}  {}  {}{size}{words}", upload.device_id, upload.blob_name.name(), upload.status);
    // Control characters could draw on the terminal of whoever watches.
    line.chars().map(|c| if c.is_control() { '.' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_is_one_line() {
        let mut upload = UploadDocument {
            correlation_id: "1".into(),
            device_id: "d".parse().expect("an id"),
            blob_name: "d/a b.txt".parse().expect("a name"),
            status: UploadStatus::Completed,
            requested_time_utc: "2026-11-23T18:00:00.1230000Z".into(),
            enqueued_time_utc: Some("2026-11-23T18:00:09.1230000Z".into()),
            last_updated_time: None,
            blob_size_in_bytes: Some(7),
            status_code: Some(201),
            status_description: Some("fine".into()),
        };
        assert_eq!(line(&upload), "2026-11-23 18:00:09  d  a b.txt  completed  7 bytes");
        (upload.status, upload.blob_size_in_bytes) = (UploadStatus::Failed, None);
        upload.status_description = Some("two\nlines".into());
        assert_eq!(line(&upload), "2026-11-23 18:00:09  d  a b.txt  failed  two.lines");
    }
}
