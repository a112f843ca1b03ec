//! The cluster's DNS: answers for Services, as CoreDNS would, and for nothing else.
//!
//! It asks the API server for each name, by way of `kubectl proxy` on the node's loopback, and serves UDP on the node's
//! address. Source: the Kubernetes DNS specification 1.1.0, records of Services with a ClusterIP.

use super::boot::{Component, text};
use super::config::Config;
use anyhow::{Context, Result};
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;
use ureq::Agent;

/// The cluster's domain, as kubelet puts it into pods' search paths.
pub(super) const DOMAIN: &str = "cluster.local";
/// Where `kubectl proxy` listens on the node's loopback.
const PROXY: &str = "127.0.0.1:8101";
/// Largest question over UDP.
const QUESTION_BYTES_MAX: usize = 512;
/// How long a client may keep an answer, seconds: Services come and go.
const KEPT_S: u32 = 1;

const TYPE_A: u16 = 1;
const CLASS_IN: u16 = 1;

/// Returns the process that lets the responder read the API without a client of its own for TLS.
pub(super) fn proxy(config: &Config) -> Component {
    let (address, port) = PROXY.split_once(':').unwrap_or((PROXY, "8101"));
    Component::new(
        config,
        "kubectl",
        vec![
            format!("--kubeconfig={}", text(config.kubeconfig())),
            "proxy".to_owned(),
            format!("--address={address}"),
            format!("--port={port}"),
            "--accept-paths=^/api/v1/namespaces/[^/]+/services/[^/]+$".to_owned(),
        ],
    )
}

/// Returns the responder: this program again, in the node's network.
///
/// # Errors
/// When the own path is unknown.
pub(super) fn responder(config: &Config) -> Result<Component> {
    Ok(Component {
        name: "names".to_owned(),
        program: std::env::current_exe().context("failed to find this program")?,
        arguments: vec!["cluster-names".to_owned(), config.node_address.to_string()],
        on_node: true,
    })
}

/// Answers questions until it is ended.
///
/// # Errors
/// When the address cannot be listened on.
pub(crate) fn serve(address: Ipv4Addr) -> Result<()> {
    let socket = UdpSocket::bind((address, 53))
        .with_context(|| format!("failed to listen on {address}:53"))?;
    let agent = Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .timeout_global(Some(Duration::from_secs(2)))
        .build()
        .new_agent();
    let mut buffer = [0; QUESTION_BYTES_MAX];
    loop {
        let (bytes, client) = socket.recv_from(&mut buffer).context("failed to listen")?;
        let Some(question) = Question::parse(&buffer[..bytes]) else {
            continue;
        };
        let found = match service_of(&question.name) {
            Some((namespace, service)) => look_up(&agent, namespace, service),
            None => Found::Nothing,
        };
        // A client that is gone asks no more.
        let _ = socket.send_to(&question.answer(&found), client);
    }
}

/// What the API says about a name.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Address(Ipv4Addr),
    Nothing,
    Failed,
}

fn look_up(agent: &Agent, namespace: &str, service: &str) -> Found {
    let url = format!("http://{PROXY}/api/v1/namespaces/{namespace}/services/{service}");
    let Ok(mut response) = agent.get(url).call() else {
        return Found::Failed;
    };
    match response.status().as_u16() {
        200 => {}
        404 => return Found::Nothing,
        _ => return Found::Failed,
    }
    let Ok(text) = response.body_mut().read_to_string() else {
        return Found::Failed;
    };
    let service: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    // A headless Service has no address here; none of the charts has one.
    service["spec"]["clusterIP"]
        .as_str()
        .and_then(|address| address.parse().ok())
        .map_or(Found::Nothing, Found::Address)
}

/// Splits `SERVICE.NAMESPACE.svc.cluster.local` into namespace and Service.
fn service_of(name: &str) -> Option<(&str, &str)> {
    let (service, rest) = name.split_once('.')?;
    let (namespace, rest) = rest.split_once('.')?;
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    (rest == format!("svc.{DOMAIN}") && is_label(service) && is_label(namespace))
        .then_some((namespace, service))
}

/// The first question of a message (RFC 1035, section 4).
#[derive(Debug, PartialEq, Eq)]
struct Question {
    id: [u8; 2],
    recursion_desired: bool,
    /// In lower case, without the last dot.
    name: String,
    kind: u16,
    class: u16,
    /// As it was asked, for the answer.
    raw: Vec<u8>,
}

impl Question {
    fn parse(message: &[u8]) -> Option<Self> {
        let header = message.get(..12)?;
        let is_query = header[2] & 0xf8 == 0;
        if !is_query || header[4..6] != [0, 1] {
            return None;
        }
        let (mut labels, mut at) = (Vec::new(), 12);
        loop {
            let length = usize::from(*message.get(at)?);
            at += 1;
            if length == 0 {
                break;
            }
            // No pointers in questions, and 63 is a label's limit.
            if length > 63 {
                return None;
            }
            labels.push(String::from_utf8_lossy(message.get(at..at + length)?).to_lowercase());
            at += length;
        }
        let number = |at: usize| {
            Some(u16::from_be_bytes([
                *message.get(at)?,
                *message.get(at + 1)?,
            ]))
        };
        Some(Self {
            id: [header[0], header[1]],
            recursion_desired: header[2] & 1 == 1,
            name: labels.join("."),
            kind: number(at)?,
            class: number(at + 2)?,
            raw: message.get(12..at + 4)?.to_vec(),
        })
    }

    fn answer(&self, found: &Found) -> Vec<u8> {
        let address = match found {
            Found::Address(address) if self.kind == TYPE_A && self.class == CLASS_IN => {
                Some(address)
            }
            _ => None,
        };
        let code: u8 = match found {
            // There, but without a record of another kind, such as AAAA.
            Found::Address(_) => 0,
            Found::Nothing => 3,
            Found::Failed => 2,
        };
        let mut message = Vec::with_capacity(12 + self.raw.len() + 16);
        message.extend(self.id);
        // An authoritative answer.
        message.push(0x84 | u8::from(self.recursion_desired));
        message.push(0x80 | code);
        message.extend([0, 1, 0, u8::from(address.is_some()), 0, 0, 0, 0]);
        message.extend(&self.raw);
        if let Some(address) = address {
            message.extend([0xc0, 12]);
            message.extend(TYPE_A.to_be_bytes());
            message.extend(CLASS_IN.to_be_bytes());
            message.extend(KEPT_S.to_be_bytes());
            message.extend([0, 4]);
            message.extend(address.octets());
        }
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE_AAAA: u16 = 28;

    fn question(name: &str, kind: u16) -> Vec<u8> {
        let mut message = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            message.push(u8::try_from(label.len()).unwrap());
            message.extend(label.as_bytes());
        }
        message.push(0);
        message.extend(kind.to_be_bytes());
        message.extend(CLASS_IN.to_be_bytes());
        message
    }

    #[test]
    fn a_service_is_told_by_its_whole_name_alone() {
        assert_eq!(
            service_of("redis.fraud.svc.cluster.local"),
            Some(("fraud", "redis"))
        );
        for name in [
            "redis",
            "redis.fraud",
            "redis.svc.cluster.local",
            "a.redis.fraud.svc.cluster.local",
            "redis.fraud.svc.example.com",
            "re/dis.fraud.svc.cluster.local",
        ] {
            assert_eq!(service_of(name), None, "{name}");
        }
    }

    #[test]
    fn answers_repeat_the_question_and_carry_the_address() {
        let asked = question("Redis.fraud.svc.cluster.local", TYPE_A);
        let parsed = Question::parse(&asked).unwrap();
        assert_eq!(parsed.name, "redis.fraud.svc.cluster.local");
        let answer = parsed.answer(&Found::Address(Ipv4Addr::new(10, 1, 2, 3)));
        assert_eq!(answer[..4], [0xab, 0xcd, 0x85, 0x80]);
        assert_eq!(answer[4..12], [0, 1, 0, 1, 0, 0, 0, 0]);
        assert_eq!(answer[12..asked.len()], asked[12..]);
        assert!(answer.ends_with(&[0, 4, 10, 1, 2, 3]));

        let other = Question::parse(&question("redis.fraud.svc.cluster.local", TYPE_AAAA)).unwrap();
        let answer = other.answer(&Found::Address(Ipv4Addr::LOCALHOST));
        assert_eq!(
            (answer[3] & 0xf, answer[7]),
            (0, 0),
            "there, without an address"
        );
        assert_eq!(parsed.answer(&Found::Nothing)[3] & 0xf, 3);
        assert_eq!(parsed.answer(&Found::Failed)[3] & 0xf, 2);
    }

    #[test]
    fn what_is_no_question_is_passed_over() {
        let asked = question("a.b", TYPE_A);
        for cut in 0..asked.len() {
            assert_eq!(Question::parse(&asked[..cut]), None, "cut at {cut}");
        }
        let mut response = asked.clone();
        response[2] |= 0x80;
        assert_eq!(Question::parse(&response), None);
        let mut pointer = asked;
        pointer[12] = 0xc0;
        assert_eq!(Question::parse(&pointer), None);
    }
}
