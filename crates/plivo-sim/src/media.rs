//! `…/Media/`: uploads, and the media of a message.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Queued;
use crate::queued::shown;

/// Most files of one upload (Plivo, "Media").
const MOST_FILES: usize = 10;
/// Most bytes of one file (Plivo, "Media").
const MOST_BYTES: usize = 2 * 1024 * 1024;
/// Most bytes of a whole upload: the files and what stands between them.
pub(crate) const MOST_UPLOAD: usize = MOST_FILES * MOST_BYTES + 64 * 1024;
/// Most uploads kept; the oldest go first.
const MOST_UPLOADS: usize = 10_000;

/// What was uploaded, without the bytes.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    kept: Vec<Value>,
}

/// One file of an upload.
pub(crate) struct File {
    content_type: String,
    name: String,
    size: usize,
}

impl Uploads {
    /// Keeps `files` and returns the entries of the answer.
    pub(crate) fn add(&mut self, files: &[File], auth_id: &str) -> Vec<Value> {
        let entries: Vec<Value> = files.iter().map(|file| file.entry(auth_id)).collect();
        self.kept.extend(entries.iter().cloned());
        let over = self.kept.len().saturating_sub(MOST_UPLOADS);
        self.kept.drain(..over);
        entries
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Value> {
        self.kept.iter().find(|entry| entry["media_id"] == id)
    }

    pub(crate) fn all(&self) -> &[Value] {
        &self.kept
    }
}

impl File {
    fn entry(&self, auth_id: &str) -> Value {
        let id = Uuid::new_v4();
        json!({
            "content_type": self.content_type,
            "file_name": self.name,
            "media_id": id.to_string(),
            "media_url": format!("https://media.plivo.com/Account/{auth_id}/Media/{id}"),
            "size": self.size,
            "status": "success",
            "status_code": 201,
            "upload_time": shown(Timestamp::now()),
        })
    }
}

/// Reads the parts named `file`; the error is Plivo's `error` of a 400, in words that are guesses.
pub(crate) async fn files(content_type: &str, body: Bytes) -> Result<Vec<File>, String> {
    let boundary = multer::parse_boundary(content_type)
        .map_err(|_| "multipart/form-data with a boundary is expected".to_owned())?;
    let mut parts = multer::Multipart::new(Full::new(body).into_data_stream(), boundary);
    let mut files = Vec::new();
    let broken = |_| "invalid multipart data".to_owned();
    while let Some(part) = parts.next_field().await.map_err(broken)? {
        if part.name() != Some("file") {
            continue;
        }
        let name = part.file_name().unwrap_or_default().to_owned();
        let content_type =
            part.content_type().map_or("application/octet-stream", |mime| mime.as_ref());
        let content_type = content_type.to_owned();
        let size = part.bytes().await.map_err(broken)?.len();
        if size > MOST_BYTES {
            return Err("file size exceeds 2 MB".to_owned());
        }
        files.push(File { content_type, name, size });
    }
    match files.len() {
        0 => Err("file parameter is missing".to_owned()),
        count if count > MOST_FILES => Err(format!("more than {MOST_FILES} files")),
        _ => Ok(files),
    }
}

/// What `GET …/Message/{uuid}/Media/` lists.
pub(crate) fn of_message(message: &Queued, uploads: &Uploads) -> Vec<Value> {
    let by_url = message.media_urls.iter().map(|url| (Uuid::new_v4().to_string(), url.clone()));
    let by_id = message.media_ids.iter().map(|id| {
        let url = uploads.get(id).and_then(|entry| entry["media_url"].as_str()).unwrap_or_default();
        (id.clone(), url.to_owned())
    });
    let entry = |(id, url): (String, String)| {
        let upload = uploads.get(&id);
        json!({
            "content_type": upload.map_or(json!("image/jpeg"), |entry| entry["content_type"].clone()),
            "media_id": id,
            "media_url": url,
            "message_uuid": message.message_uuid,
            "size": upload.map_or(json!(0), |entry| entry["size"].clone()),
        })
    };
    by_url.chain(by_id).map(entry).collect()
}
