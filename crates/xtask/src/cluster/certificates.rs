//! Certificates and keys of a cluster, and the kubeconfigs that carry them. Valid for tests only.

use super::config::Config;
use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// One certificate to issue.
struct Subject<'a> {
    file: &'a str,
    common_name: &'a str,
    organization: Option<&'a str>,
    /// Names and addresses of a server; empty for a client.
    names: Vec<String>,
}

/// Issues everything into the cluster's folder and writes the kubeconfigs.
///
/// # Errors
/// When a file cannot be written.
pub(super) fn issue(config: &Config) -> Result<()> {
    let folder = config.certificates();
    fs::create_dir_all(&folder)
        .with_context(|| format!("failed to make `{}`", folder.display()))?;
    let authority_key = KeyPair::generate()?;
    let mut authority = parameters("ml-deployer test authority", None, Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    let certificate = authority.self_signed(&authority_key)?.pem();
    write(&folder.join("ca.crt"), &certificate)?;
    write(&folder.join("ca.key"), &authority_key.serialize_pem())?;
    let issuer = Issuer::new(authority, authority_key);

    let node = config.node();
    let node_name = format!("system:node:{node}");
    let client = |file, common_name, organization| Subject {
        file,
        common_name,
        organization,
        names: Vec::new(),
    };
    for subject in [
        Subject {
            file: "apiserver",
            common_name: "kube-apiserver",
            organization: None,
            names: [
                "localhost",
                "kubernetes",
                "kubernetes.default",
                "kubernetes.default.svc",
                "kubernetes.default.svc.cluster.local",
            ]
            .map(str::to_owned)
            .into_iter()
            .chain([
                "127.0.0.1".to_owned(),
                config.node_address.to_string(),
                config.api_service.to_string(),
            ])
            .collect(),
        },
        Subject {
            file: "kubelet-server",
            common_name: &node,
            organization: None,
            names: vec![node.clone(), config.node_address.to_string()],
        },
        client("admin", "ml-deployer-admin", Some("system:masters")),
        client(
            "kubelet-client",
            "kube-apiserver-kubelet-client",
            Some("system:masters"),
        ),
        client("node", &node_name, Some("system:nodes")),
        client("controller-manager", "system:kube-controller-manager", None),
        client("scheduler", "system:kube-scheduler", None),
        client("proxy", "system:kube-proxy", None),
    ] {
        issue_one(&folder, &subject, &issuer)?;
    }
    let accounts = KeyPair::generate()?;
    write(&folder.join("accounts.key"), &accounts.serialize_pem())?;
    write(&folder.join("accounts.pub"), &accounts.public_key_pem())?;
    for (user, path) in [
        ("admin", config.kubeconfig()),
        ("node", kubeconfig_of(config, "node")),
        (
            "controller-manager",
            kubeconfig_of(config, "controller-manager"),
        ),
        ("scheduler", kubeconfig_of(config, "scheduler")),
        ("proxy", kubeconfig_of(config, "proxy")),
    ] {
        write(&path, &kubeconfig(config, user)?)?;
    }
    Ok(())
}

/// Returns the kubeconfig of a component.
pub(super) fn kubeconfig_of(config: &Config, user: &str) -> PathBuf {
    config.certificates().join(format!("{user}.kubeconfig"))
}

fn issue_one(folder: &Path, subject: &Subject, issuer: &Issuer<'_, KeyPair>) -> Result<()> {
    let key = KeyPair::generate()?;
    let mut parameters = parameters(
        subject.common_name,
        subject.organization,
        subject.names.clone(),
    )?;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = if subject.names.is_empty() {
        vec![ExtendedKeyUsagePurpose::ClientAuth]
    } else {
        vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ]
    };
    write(
        &folder.join(format!("{}.crt", subject.file)),
        &parameters.signed_by(&key, issuer)?.pem(),
    )?;
    write(
        &folder.join(format!("{}.key", subject.file)),
        &key.serialize_pem(),
    )
}

fn parameters(
    common_name: &str,
    organization: Option<&str>,
    names: Vec<String>,
) -> Result<CertificateParams> {
    let mut parameters = CertificateParams::new(names)?;
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters
        .distinguished_name
        .push(DnType::CommonName, common_name);
    if let Some(organization) = organization {
        parameters
            .distinguished_name
            .push(DnType::OrganizationName, organization);
    }
    parameters.not_before = rcgen::date_time_ymd(2024, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(2049, 1, 1);
    Ok(parameters)
}

fn kubeconfig(config: &Config, user: &str) -> Result<String> {
    let data = |file: &str| -> Result<String> {
        let path = config.certificates().join(file);
        Ok(STANDARD.encode(
            fs::read(&path).with_context(|| format!("failed to read `{}`", path.display()))?,
        ))
    };
    let name = &config.name;
    Ok(serde_json::to_string_pretty(&serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": {
            "server": format!("https://{}:{}", config.node_address, config.api_port),
            "certificate-authority-data": data("ca.crt")?,
        }}],
        "users": [{"name": user, "user": {
            "client-certificate-data": data(&format!("{user}.crt"))?,
            "client-key-data": data(&format!("{user}.key"))?,
        }}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
    }))?)
}

/// Writes a file that its owner alone may read.
fn write(path: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("failed to write `{}`", path.display()))
}
