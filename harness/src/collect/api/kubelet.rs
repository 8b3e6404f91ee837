//! The way into a cluster's network: a node's address that answers with its kubelet's certificate.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// The port of the kubelet on a node. Source:
/// <https://kubernetes.io/docs/reference/networking/ports-and-protocols/>.
const PORT: u16 = 10250;

/// How long a node may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// How far apart a node and the certificate that its kubelet signs itself may have been made: the kubelet makes it when
/// it starts for the first time, and the node after that.
const APART: i64 = 900;

/// A node, as far as its kubelet's certificate shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kubelet {
    pub(crate) node: String,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) created_at: Option<Timestamp>,
}

/// The address of the first node that answers with its own certificate; otherwise what each one did. Neither a refusal nor
/// an open port shows a way: a VPN or a proxy gives both.
pub(crate) async fn find_way(kubelets: &[Kubelet]) -> Result<SocketAddr, String> {
    let ask = async |kubelet: &Kubelet, ip: IpAddr| {
        let address = SocketAddr::new(ip, PORT);
        let handshake = tokio::task::spawn_blocking(move || certificate(address));
        let certificate = match handshake.await {
            Ok(Ok(certificate)) => certificate,
            Ok(Err(error)) => return Err(format!("{address}: {error}")),
            Err(error) => return Err(format!("{address}: {error}")),
        };
        if is_of_node(&certificate, kubelet) {
            Ok(address)
        } else {
            Err(format!("{address}: not the certificate of node {}", kubelet.node))
        }
    };
    let addresses = kubelets.iter().flat_map(|it| it.addresses.iter().map(move |ip| (it, *ip)));
    let mut asked: FuturesUnordered<_> = addresses.map(|(it, ip)| ask(it, ip)).collect();
    let mut reasons = Vec::new();
    while let Some(ended) = asked.next().await {
        match ended {
            Ok(address) => return Ok(address),
            Err(reason) => reasons.push(reason),
        }
    }
    reasons.sort_unstable();
    Err(format!("no node answers with its certificate: {}", reasons.join("; ")))
}

/// The certificate that a server shows.
fn certificate(address: SocketAddr) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let other = std::io::Error::other::<rustls::Error>;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let any_server = AnyServer(provider.signature_verification_algorithms);
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(any_server))
        .with_no_client_auth();
    let name = ServerName::IpAddress(address.ip().into());
    let mut connection = ClientConnection::new(Arc::new(config), name).map_err(other)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    let shown = connection.peer_certificates().and_then(<[_]>::first);
    shown.map(|it| it.to_vec()).ok_or_else(|| std::io::Error::other("no certificate"))
}

/// Whether a certificate is that of a node's kubelet: made for its name by a certificate authority
/// (`system:node:NAME`), or by the kubelet itself, when the node was made (`NAME@SECONDS`). Clusters of kind have
/// nodes of equal names.
fn is_of_node(certificate: &[u8], kubelet: &Kubelet) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return false };
    let subject = certificate.subject().iter_common_name().next();
    let subject = subject.and_then(|name| name.as_str().ok()).unwrap_or_default();
    if let Some((name, seconds)) = subject.rsplit_once('@') {
        let made = seconds.parse::<i64>().ok().zip(kubelet.created_at);
        return name == kubelet.node
            && made.is_some_and(|(made, node)| (node.as_second() - made).abs() <= APART);
    }
    let names = certificate.subject_alternative_name().ok().flatten();
    let mut names = names.iter().flat_map(|it| &it.value.general_names);
    subject.strip_prefix("system:node:").unwrap_or(subject) == kubelet.node
        || names.any(|name| matches!(name, GeneralName::DNSName(name) if *name == kubelet.node))
}

/// Takes any certificate: it is read, and nothing is sent to who shows it.
#[derive(Debug)]
struct AnyServer(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair};
    use rstest::rstest;
    use rustls::pki_types::PrivateKeyDer;
    use rustls::{ServerConfig, ServerConnection};

    const MADE: i64 = 1_700_000_000;

    fn kubelet(address: IpAddr) -> Kubelet {
        Kubelet {
            node: "kind-control-plane".into(),
            addresses: vec![address],
            created_at: Timestamp::from_second(MADE).ok(),
        }
    }

    fn made_for(subject: &str, name: &str) -> (CertificateDer<'static>, KeyPair) {
        let names = if name.is_empty() { vec![] } else { vec![name.to_owned()] };
        let mut parameters = CertificateParams::new(names).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, subject);
        let key = KeyPair::generate().unwrap();
        (parameters.self_signed(&key).unwrap().der().clone(), key)
    }

    #[rstest]
    #[case::signed_by_itself("kind-control-plane@1700000007", "", true)]
    #[case::of_a_cluster_of_another_day(
        "kind-control-plane@1700086400",
        "kind-control-plane",
        false
    )]
    #[case::of_another_node("kind-worker@1700000007", "", false)]
    #[case::signed_by_the_cluster("system:node:kind-control-plane", "", true)]
    #[case::by_its_other_name("k3s", "kind-control-plane", true)]
    #[case::of_a_web_server("example.com", "example.com", false)]
    fn certificate_shows_its_node(#[case] subject: &str, #[case] name: &str, #[case] shown: bool) {
        let (certificate, _) = made_for(subject, name);
        assert_eq!(is_of_node(&certificate, &kubelet([127, 0, 0, 1].into())), shown);
        assert!(!is_of_node(b"rubbish", &kubelet([127, 0, 0, 1].into())));
    }

    #[tokio::test]
    async fn certificate_is_read_of_a_server_that_shows_one() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (shown, key) = made_for("kind-control-plane@1700000007", "");
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![shown.clone()], key)
            .unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut connection = ServerConnection::new(Arc::new(config)).unwrap();
            while connection.is_handshaking() {
                connection.complete_io(&mut stream).unwrap();
            }
        });
        assert_eq!(certificate(address).unwrap(), shown.to_vec());
        server.join().unwrap();
    }

    #[tokio::test]
    async fn refused_connection_is_an_error_with_its_address() {
        // Nothing listens at the kubelet's port there.
        let refused = find_way(&[kubelet([127, 255, 255, 254].into())]).await.unwrap_err();
        assert!(refused.contains("127.255.255.254:10250: "), "{refused}");
    }
}
