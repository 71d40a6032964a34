public import FlowForgeBundle
public import FlowForgeOrchestration
public import FlowForgeStore
public import Foundation
public import Logging

/// How one control plane runs: what its configuration file says, or a test.
public struct ServerSettings: Sendable {
    public enum LogFormat: String, Sendable, CaseIterable { case json, text }

    /// A certificate and key of one's own for the operator API, e.g. of a public CA.
    public struct OwnCertificate: Sendable {
        public var certificate: URL
        public var key: URL
        public init(certificate: URL, key: URL) {
            self.certificate = certificate
            self.key = key
        }
    }

    /// The configuration file that said all this; part of every backup.
    public var file: URL?
    public var dataFolder: URL
    public var agentListen = ListenAddress(host: "0.0.0.0", port: 8443)
    /// Where agents reach the control plane, as join tokens say it.
    public var agentURL: String
    public var operatorListen = ListenAddress(host: "127.0.0.1", port: 8444)
    /// Where other systems reach the operator API, `https://host:port`; from ``operatorListen`` if not said.
    public var operatorURL: String?
    public var operatorCertificate: OwnCertificate?
    public var logLevel = Logger.Level.info
    public var logFormat = LogFormat.text
    public var agentCertificateLifetime: Duration = .seconds(24 * 3600)
    /// Of the certificate that our CA gives the listeners; it is renewed when a third is left.
    public var serverCertificateLifetime: Duration = .seconds(90 * 86_400)
    /// How often the certificate files are looked at for a change, and for their age.
    public var certificateCheck: Duration = .seconds(30)
    public var orchestration = OrchestrationSettings()
    public var limits = ConnectionLimits()
    public var retention = RetentionSettings()
    /// How often environments are compared with what was applied to them.
    public var driftPeriod = Duration.seconds(900)
    /// Where backups are made; `backups` in the data folder if not said.
    public var backupFolder: URL?
    /// The file of the key under which backups carry the CA's private key.
    public var backupSealingKey: URL?

    /// What keeps bundles in the registry that nothing refers to.
    public var bundles = BundleRetention()
    /// Whose signatures a bundle must bear to be pushed.
    public var signatures = SignaturePolicy()

    /// Where other systems reach the operator API, as far as it is known.
    var operatorAddress: String {
        if let operatorURL { return operatorURL }
        let isWildcard = ["0.0.0.0", "::"].contains(operatorListen.host)
        let host = isWildcard ? ProcessInfo.processInfo.hostName : operatorListen.host
        return "https://\(ListenAddress(host: host, port: operatorListen.port))"
    }

    public init(dataFolder: URL, agentURL: String) {
        self.dataFolder = dataFolder
        self.agentURL = agentURL
    }
}
