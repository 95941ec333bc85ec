//! Certificates of the tests' own servers: an authority, and what it signs.

use std::fs;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// Makes an authority that nobody trusts who has not been told to, and a server called `name`: `ca.pem`, `server.pem` and
/// `server.key` in `folder`. One called `localhost` has the loopback's address as well.
pub fn write_server_files(folder: &Path, name: &str) {
    let mut of_ca = CertificateParams::new(Vec::new()).expect("it has no names");
    of_ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    of_ca.distinguished_name.push(DnType::CommonName, "CoreC's tests");
    let ca_key = KeyPair::generate().expect("a key can be made");
    let ca = of_ca.self_signed(&ca_key).expect("a certificate can be made");
    let mut names = vec![name.to_string()];
    if name == "localhost" {
        names.push("127.0.0.1".into());
    }
    let of_server = CertificateParams::new(names).expect("the names are plain");
    let key = KeyPair::generate().expect("a key can be made");
    let issuer = Issuer::new(of_ca, ca_key);
    let server = of_server.signed_by(&key, &issuer).expect("a certificate can be made");
    let files = [("ca.pem", ca.pem()), ("server.pem", server.pem()), ("server.key", key.serialize_pem())];
    for (file, text) in files {
        fs::write(folder.join(file), text).unwrap_or_else(|e| panic!("{file}: {e}"));
    }
}
