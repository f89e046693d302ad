//! `device.upload()`: a file of the machine that was granted, or bytes that a script has.

use std::rc::Rc;
use std::sync::Arc;

use rhai::{FuncRegistration, Map};
use script::{Blob, Dynamic, Module, NativeCallContext, wait};

use super::device::DeviceRef;
use super::native::{Answer, call, fail, failed};
use crate::upload::{Content, UploadError};

pub(super) fn register(module: &mut Module) {
    let method = || FuncRegistration::new("upload").with_volatility(true);
    method().set_into_module(module, |ncc: NativeCallContext<'_>, _: &mut DeviceRef, name: &str, path: &str| {
        upload_file(&ncc, name, path)
    });
    method().set_into_module(module, |ncc: NativeCallContext<'_>, _: &mut DeviceRef, name: &str, bytes: Blob| {
        upload(&ncc, name, Content::Bytes(bytes.into()))
    });
}

fn upload_file(ncc: &NativeCallContext<'_>, name: &str, path: &str) -> Answer<Map> {
    let grants = Arc::clone(&call(ncc)?.device.lane.habits.grants);
    let wanted = path.to_owned();
    match wait(ncc, tokio::task::spawn_blocking(move || grants.open_to_upload(&wanted)))? {
        Ok(Ok(file)) => upload(ncc, name, Content::File(file)),
        Ok(Err(error)) => failed(&error),
        Err(error) => fail(format!("opening {path} failed: {error}")),
    }
}

/// Comes back when the hub knows that the file is there.
fn upload(ncc: &NativeCallContext<'_>, name: &str, content: Content) -> Answer<Map> {
    let device = Rc::clone(&call(ncc)?.device);
    let name = name.to_owned();
    let uploaded = wait(ncc, async move {
        match &device.lane.habits.uploads {
            Some(uploader) => uploader.upload(&device.identity, &name, content).await,
            None => Err(UploadError::NoHub),
        }
    })?;
    let (name, size) = uploaded.or_else(|error| failed(&error))?;
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    Ok(Map::from([("name".into(), name.into()), ("size".into(), Dynamic::from(size))]))
}
