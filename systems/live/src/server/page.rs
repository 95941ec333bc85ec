//! The page: the files of assets/dashboard, which are part of the program, each compressed once.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use include_dir::{Dir, include_dir};
use xxhash_rust::xxh3::xxh3_64;

use super::answers::error;

static FOLDER: Dir = include_dir!("$CARGO_MANIFEST_DIR/../../assets/dashboard");
static FILES: LazyLock<BTreeMap<&str, File>> = LazyLock::new(|| {
    let vendored = FOLDER.dirs().flat_map(Dir::files);
    FOLDER
        .files()
        .chain(vendored)
        .filter_map(|file| Some((file.path().file_name()?.to_str()?, File::of(file)?)))
        .collect()
});

struct File {
    media_type: &'static str,
    /// Another one for other contents.
    tag: HeaderValue,
    plain: &'static [u8],
    compressed: Vec<u8>,
}

impl File {
    /// One that the page asks for; none for what is only for readers of the source.
    fn of(file: &'static include_dir::File) -> Option<Self> {
        let media_type = match file.path().extension()?.to_str()? {
            "html" => "text/html; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "svg" => "image/svg+xml",
            _ => return None,
        };
        let plain = file.contents();
        let tag = HeaderValue::from_str(&format!("\"{:016x}\"", xxh3_64(plain))).expect("it is ASCII");
        let mut compressed = GzEncoder::new(Vec::new(), Compression::best());
        let compressed =
            compressed.write_all(plain).and_then(|()| compressed.finish()).expect("memory takes all");
        Some(Self { media_type, tag, plain, compressed })
    }
}

/// The page itself.
pub(super) async fn index(headers: HeaderMap) -> Response {
    answer("index.html", &headers)
}

/// A file that it asks for.
pub(super) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    answer(&name, &headers)
}

fn answer(name: &str, headers: &HeaderMap) -> Response {
    let Some(file) = FILES.get(name) else {
        return error(StatusCode::NOT_FOUND, "the page has no such file");
    };
    let has = |name: HeaderName, what: &str| {
        headers.get(name).and_then(|value| value.to_str().ok()).is_some_and(|value| value.contains(what))
    };
    // A browser asks each time whether it has changed: another version of the program may be behind the same address.
    let always = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::ETAG, file.tag.clone()),
        (header::VARY, HeaderValue::from_static("accept-encoding")),
    ];
    if has(header::IF_NONE_MATCH, file.tag.to_str().expect("it is ASCII")) {
        return (StatusCode::NOT_MODIFIED, always).into_response();
    }
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static(file.media_type))];
    if has(header::ACCEPT_ENCODING, "gzip") {
        let encoding = [(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))];
        return (always, kind, encoding, &file.compressed[..]).into_response();
    }
    (always, kind, file.plain).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_and_all_that_it_asks_for_fit_into_120_kilobytes() {
        let all: usize = FILES.values().map(|file| file.compressed.len()).sum();
        assert!(all <= 120 << 10, "{all} bytes");
        let index = std::str::from_utf8(FILES["index.html"].plain).unwrap();
        let asked = index.split("\"/assets/").skip(1).map(|rest| &rest[..rest.find('"').unwrap()]);
        let missing: Vec<&str> = asked.filter(|name| !FILES.contains_key(name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
