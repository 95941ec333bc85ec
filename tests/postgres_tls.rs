//! PostgreSQL over TLS: a named authority is held against the server's certificate and name; a wrong one is refused in one line.
#![cfg(feature = "postgres")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::time::Duration;

use corec_bridges::store::PostgresStore;
use corec_core::store::Store;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use support::postgres::{PASSWORD, Postgres, every_kind, record};

/// An authority, and its certificate.
fn authority() -> (Issuer<'static, KeyPair>, String) {
    let mut parameters = CertificateParams::new([]).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let pem = parameters.self_signed(&key).unwrap().pem();
    (Issuer::new(parameters, key), pem)
}

fn open(url: &str) -> Result<PostgresStore, String> {
    PostgresStore::open(url, Duration::from_secs(20)).map_err(|e| {
        let said = e.to_string();
        assert!(!said.contains(PASSWORD) && !said.contains('\n') && !e.is_away, "{said}");
        said
    })
}

#[test]
fn an_authority_is_held_against_the_server() {
    let Some(mut server) = Postgres::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let ((issuer, ours), (_, others)) = (authority(), authority());
    let [ca, other_ca] = [("ca.pem", &ours), ("other.pem", &others)].map(|(name, pem)| {
        let path = folder.path().join(name);
        fs::write(&path, pem).unwrap();
        path.display().to_string()
    });
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(["localhost".to_string()]).unwrap().signed_by(&key, &issuer).unwrap();
    let [certificate, key] = [("server.crt", certificate.pem()), ("server.key", key.serialize_pem())]
        .map(|(name, pem)| server.put(name, &pem).display().to_string());
    server.sql(&format!("ALTER SYSTEM SET ssl_cert_file = '{certificate}'"));
    server.sql(&format!("ALTER SYSTEM SET ssl_key_file = '{key}'"));
    server.sql("ALTER SYSTEM SET ssl = on");
    server.put("data/pg_hba.conf", "local all all trust\nhostssl all all all scram-sha-256\n");
    server.restart();
    let named = server.url().replace("127.0.0.1", "localhost");

    for url in [
        format!("{named}?ca={ca}"),
        format!("{named}?sslmode=require&ca={ca}"),
        format!("{named}?sslmode=require"),
        server.url(),
    ] {
        let mut store = open(&url).unwrap();
        store.begin(&record(1, true)).unwrap();
        store.write(&every_kind(0)).unwrap();
        let is_on = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'corec'";
        assert_eq!(server.sql(is_on), "t", "{url}");
    }
    assert_eq!(server.count("SELECT count(*) FROM block_states"), 6);
    for (url, wanted) in [
        (format!("{}?ca={ca}", server.url()), "host must be a name of the server's certificate"),
        (format!("{named}?ca={other_ca}"), "must be the authority that signed"),
        (format!("{named}?sslmode=verify-full"), "authorit"),
        (format!("{named}?sslmode=disable"), "pg_hba.conf or the URL (user, sslmode) must be changed"),
        (format!("{named}?ca={key}"), "must be a PEM file of certificates"),
    ] {
        let said = open(&url).err().unwrap();
        assert!(said.contains(wanted), "{url}: {said} lacks {wanted}");
    }
}
