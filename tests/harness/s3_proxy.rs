//! A proxy in front of the S3 server that spoils some of its answers, as networks and stores do.
//!
//! Requests pass unchanged, so that their signatures hold. Each connection serves one request.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

/// The longest that either side may be silent.
const SILENCE: Duration = Duration::from_secs(20);

/// What happens to a request.
pub enum Fault {
    /// The store answers by itself with a status and one of S3's error codes.
    Refuse(u16, &'static str),
    /// The answer comes that much later.
    Slow(Duration),
    /// The answer ends in the middle of its body.
    Truncate,
    /// The connection is reset instead of an answer.
    Reset,
    /// Something else happens first; then the request is answered.
    Before(Box<dyn FnMut() + Send>),
}

/// How a store says in which region a bucket lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// As 301 with a header, which a HEAD has, too.
    Moved,
    /// As 400 and a region in the body; HEAD has the header.
    Malformed,
    /// As 301 without a word on where.
    Nowhere,
}

/// A bucket of another region.
struct Home {
    bucket: String,
    region: String,
    told: Told,
    refused: usize,
}

struct Rule {
    method: &'static str,
    part: String,
    skip: usize,
    left: usize,
    fired: usize,
    fault: Fault,
}

/// A running proxy; it stops when dropped.
pub struct FaultyProxy {
    address: SocketAddr,
    rules: Arc<Mutex<Vec<Rule>>>,
    homes: Arc<Mutex<Vec<Home>>>,
    stopped: Arc<AtomicBool>,
}

impl FaultyProxy {
    /// Forwards to `endpoint`, such as `http://127.0.0.1:9000`, on a free port of loopback.
    ///
    /// # Errors
    /// Fails when the endpoint is none or no port can be had.
    pub fn start(endpoint: &str) -> Result<Self> {
        let server: SocketAddr = endpoint
            .strip_prefix("http://")
            .ok_or_else(|| anyhow!("`{endpoint}` is no plain HTTP endpoint"))?
            .parse()
            .with_context(|| format!("`{endpoint}` names no address"))?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let rules = Arc::<Mutex<Vec<Rule>>>::default();
        let homes = Arc::<Mutex<Vec<Home>>>::default();
        let stopped = Arc::<AtomicBool>::default();
        let (of_thread, is_stopped) = (Arc::clone(&rules), Arc::clone(&stopped));
        let homes_of_thread = Arc::clone(&homes);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(std::io::Result::ok) {
                if is_stopped.load(Ordering::Relaxed) {
                    return;
                }
                let (rules, homes) = (Arc::clone(&of_thread), Arc::clone(&homes_of_thread));
                // A connection that breaks concerns its client, which reports it.
                std::thread::spawn(move || drop(serve(client, server, &rules, &homes)));
            }
        });
        Ok(Self {
            address,
            rules,
            homes,
            stopped,
        })
    }

    /// Returns the endpoint that clients are to use.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Spoils `times` requests of a method whose target contains `part`, after `skip` that pass.
    /// Of several rules that apply, the first that is not used up does.
    pub fn spoil(&self, method: &'static str, part: &str, skip: usize, times: usize, fault: Fault) {
        self.lock().push(Rule {
            method,
            part: part.to_owned(),
            skip,
            left: times,
            fired: 0,
            fault,
        });
    }

    /// Refuses requests for a bucket whose signature is for another region than this one, as S3 does.
    pub fn lies_in(&self, bucket: &str, region: &str, told: Told) {
        let mut homes = self.homes.lock().unwrap_or_else(PoisonError::into_inner);
        homes.retain(|home| home.bucket != bucket);
        homes.push(Home {
            bucket: bucket.to_owned(),
            region: region.to_owned(),
            told,
            refused: 0,
        });
    }

    /// Returns how many requests for a bucket were refused for their region.
    pub fn refused_for_region(&self, bucket: &str) -> usize {
        let homes = self.homes.lock().unwrap_or_else(PoisonError::into_inner);
        let of_bucket = homes.iter().filter(|home| home.bucket == bucket);
        of_bucket.map(|home| home.refused).sum()
    }

    /// Returns how many requests were spoilt.
    pub fn spoilt(&self) -> usize {
        self.lock().iter().map(|rule| rule.fired).sum()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FaultyProxy {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes the listener up, which then sees that it is to stop.
        drop(TcpStream::connect(self.address));
    }
}

/// What is left of a fault once the rule is chosen.
enum Now {
    Pass,
    Refuse(u16, &'static str),
    Slow(Duration),
    Truncate,
    Reset,
}

fn serve(
    mut client: TcpStream,
    server: SocketAddr,
    rules: &Mutex<Vec<Rule>>,
    homes: &Mutex<Vec<Home>>,
) -> Result<()> {
    client.set_read_timeout(Some(SILENCE))?;
    let (head, rest) = read_head(&mut client)?;
    let mut words = head.split(' ');
    let method = words.next().unwrap_or_default();
    let target = words.next().unwrap_or_default();
    let now = choose(rules, method, target);
    if matches!(now, Now::Reset) {
        // Closing with this option sends a reset instead of an orderly end.
        rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO))?;
        return Ok(());
    }
    let length = header(&head, "content-length")
        .and_then(|text| text.parse().ok())
        .unwrap_or(0usize);
    let mut body = rest;
    while body.len() < length {
        let mut buffer = [0; 65536];
        let read = client.read(&mut buffer)?;
        if read == 0 {
            return Err(anyhow!("the client went away"));
        }
        body.extend_from_slice(&buffer[..read]);
    }
    if let Some((told, region)) = misdirected(homes, &head, target) {
        return refuse_region(&mut client, method, told, &region);
    }
    if let Now::Refuse(status, code) = now {
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>by the proxy</Message></Error>"
        );
        let text = if method == "HEAD" { "" } else { &text };
        write!(
            client,
            "HTTP/1.1 {status} Refused\r\nContent-Type: application/xml\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        )?;
        return Ok(());
    }
    let mut upstream = TcpStream::connect(server)?;
    upstream.set_read_timeout(Some(SILENCE))?;
    // Not among the signed headers, so that the signature holds.
    let head = head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    upstream.write_all(head.as_bytes())?;
    upstream.write_all(&body)?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer)?;
    if let Now::Slow(delay) = now {
        std::thread::sleep(delay);
    }
    if matches!(now, Now::Truncate) {
        let body = answer
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .map_or(0, |end| end + 4);
        answer.truncate(body + (answer.len() - body) / 2);
    }
    client.write_all(&answer)?;
    Ok(())
}

/// Returns where the bucket of a request lies, if the signature is for another region.
fn misdirected(homes: &Mutex<Vec<Home>>, head: &str, target: &str) -> Option<(Told, String)> {
    let path = target.strip_prefix('/')?;
    let bucket = path.split(['/', '?']).next()?;
    // Credential=KEY/20260101/REGION/s3/aws4_request
    let signed_for = header(head, "authorization")?.split('/').nth(2)?;
    let mut homes = homes.lock().unwrap_or_else(PoisonError::into_inner);
    let home = homes
        .iter_mut()
        .find(|home| home.bucket == bucket && home.region != signed_for)?;
    home.refused += 1;
    Some((home.told, home.region.clone()))
}

fn refuse_region(client: &mut TcpStream, method: &str, told: Told, region: &str) -> Result<()> {
    let (status, code) = match told {
        Told::Moved | Told::Nowhere => (301, "PermanentRedirect"),
        Told::Malformed => (400, "AuthorizationHeaderMalformed"),
    };
    let named = if told == Told::Malformed {
        format!("<Region>{region}</Region>")
    } else {
        String::new()
    };
    let has_header = told == Told::Moved || (told == Told::Malformed && method == "HEAD");
    let header = if has_header {
        format!("x-amz-bucket-region: {region}\r\n")
    } else {
        String::new()
    };
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>by the proxy</Message>{named}</Error>"
    );
    let text = if method == "HEAD" { "" } else { &text };
    write!(
        client,
        "HTTP/1.1 {status} Elsewhere\r\nContent-Type: application/xml\r\n{header}Connection: close\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    )?;
    Ok(())
}

fn choose(rules: &Mutex<Vec<Rule>>, method: &str, target: &str) -> Now {
    let mut rules = rules.lock().unwrap_or_else(PoisonError::into_inner);
    let applies =
        |rule: &&mut Rule| rule.left > 0 && rule.method == method && target.contains(&rule.part);
    let Some(rule) = rules.iter_mut().find(applies) else {
        return Now::Pass;
    };
    if rule.skip > 0 {
        rule.skip -= 1;
        return Now::Pass;
    }
    rule.left -= 1;
    rule.fired += 1;
    match &mut rule.fault {
        Fault::Refuse(status, code) => Now::Refuse(*status, code),
        Fault::Slow(delay) => Now::Slow(*delay),
        Fault::Truncate => Now::Truncate,
        Fault::Reset => Now::Reset,
        Fault::Before(act) => {
            act();
            Now::Pass
        }
    }
}

/// Reads up to the end of the head; returns it with what came behind.
fn read_head(client: &mut TcpStream) -> Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok((String::from_utf8(bytes)?, rest));
        }
        let mut buffer = [0; 8192];
        let read = client.read(&mut buffer)?;
        if read == 0 {
            return Err(anyhow!("the client went away"));
        }
        bytes.extend_from_slice(&buffer[..read]);
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
