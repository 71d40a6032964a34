internal import FlowForgeFleet
internal import FlowForgeProtocol
internal import Foundation
internal import Logging
internal import NIOSSL
internal import ServiceLifecycle
internal import Synchronization

/// The certificates of both listeners: loads them, renews the one that our CA issued before it
/// expires, and takes over changed files, all without a restart.
final class ListenerCertificates: Service {
    private struct Seen: Equatable {
        var files: [String: Date] = [:]
    }

    let agents: ServerTLS
    let operators: ServerTLS
    private let settings: ServerSettings
    private let folder: DataFolder
    private let authority: CertificateAuthority
    private let logger: Logger
    private let seen: Mutex<Seen>

    init(settings: ServerSettings, folder: DataFolder, authority: CertificateAuthority, logger: Logger) throws {
        self.settings = settings
        self.folder = folder
        self.authority = authority
        self.logger = logger
        try Self.renewIfDue(settings, folder, authority, logger)
        let files = Self.modified(settings, folder)
        let (agents, operators) = try Self.load(settings, folder)
        self.agents = ServerTLS(agents)
        self.operators = ServerTLS(operators)
        seen = Mutex(Seen(files: files))
    }

    func run() async throws {
        await cancelWhenGracefulShutdown { [self] in
            while !Task.isCancelled {
                do { try await Task.sleep(for: settings.certificateCheck) } catch { return }
                check()
            }
        }
    }

    /// Reads every certificate file again. Throws, and keeps what is in use, when one is not usable.
    func reload() throws {
        let files = Self.modified(settings, folder)
        let (agents, operators) = try Self.load(settings, folder)
        self.agents.replace(agents)
        self.operators.replace(operators)
        seen.withLock { $0.files = files }
        logger.info("certificates loaded")
    }

    private func check() {
        do {
            try Self.renewIfDue(settings, folder, authority, logger)
            if Self.modified(settings, folder) != seen.withLock({ $0.files }) { try reload() }
        } catch {
            logger.error("certificates could not be renewed or loaded; the old ones stay in use", metadata: ["error": "\(error)"])
        }
    }

    private static func files(_ settings: ServerSettings, _ folder: DataFolder) -> [URL] {
        [folder.caCertificate, folder.serverCertificate, folder.serverKey]
            + (settings.operatorCertificate.map { [$0.certificate, $0.key] } ?? [])
    }

    private static func modified(_ settings: ServerSettings, _ folder: DataFolder) -> [String: Date] {
        files(settings, folder).reduce(into: [:]) { times, file in
            times[file.path] = try? FileManager.default.attributesOfItem(atPath: file.path)[.modificationDate] as? Date
        }
    }

    /// A third before its end, or when its key is gone (no backup has it), a certificate of the same names
    /// replaces the one that our CA issued.
    private static func renewIfDue(
        _ settings: ServerSettings, _ folder: DataFolder, _ authority: CertificateAuthority, _ logger: Logger
    ) throws {
        let current = try DataFolder.text(folder.serverCertificate)
        let notAfter = try ServerCertificate.notAfter(pem: current)
        let left = notAfter.timeIntervalSinceNow
        let hasKey = FileManager.default.fileExists(atPath: folder.serverKey.path)
        guard !hasKey || left < Double(settings.serverCertificateLifetime.components.seconds) / 3 else { return }
        try folder.write(
            try authority.issueServer(
                hosts: try ServerCertificate.hosts(pem: current), lifetime: settings.serverCertificateLifetime))
        logger.info("server certificate renewed", metadata: ["expired_in_seconds": "\(Int(left))"])
    }

    private static func load(
        _ settings: ServerSettings, _ folder: DataFolder
    ) throws -> (agents: TLSConfiguration, operators: TLSConfiguration) {
        let roots = try certificates(folder.caCertificate)
        // With the root behind it, a client that knows only the root's fingerprint can check the chain.
        let chain = try certificates(folder.serverCertificate) + roots.prefix(1)
        let key = try privateKey(folder.serverKey)
        try matches(folder.serverCertificate, chain[0], key)
        let agents = ServerTLS.configuration(chain: chain, key: key, clients: roots)
        guard let own = settings.operatorCertificate else {
            return (agents, ServerTLS.configuration(chain: chain, key: key, clients: nil))
        }
        let ownChain = try certificates(own.certificate)
        let ownKey = try privateKey(own.key)
        try matches(own.certificate, ownChain[0], ownKey)
        return (agents, ServerTLS.configuration(chain: ownChain, key: ownKey, clients: nil))
    }

    private static func certificates(_ file: URL) throws -> [NIOSSLCertificate] {
        let text = try DataFolder.text(file)
        guard let certificates = try? NIOSSLCertificate.fromPEMBytes(Array(text.utf8)), !certificates.isEmpty else {
            throw StartUpFault.configuration("\(file.path) is no certificate in PEM; put the right file there")
        }
        return certificates
    }

    private static func privateKey(_ file: URL) throws -> NIOSSLPrivateKey {
        let text = try DataFolder.privateText(file)
        guard let key = try? NIOSSLPrivateKey(bytes: Array(text.utf8), format: .pem) else {
            throw StartUpFault.configuration("\(file.path) is no private key in PEM; put the right file there")
        }
        return key
    }

    /// Throws unless the two belong together. A context is made only for that.
    private static func matches(_ file: URL, _ certificate: NIOSSLCertificate, _ key: NIOSSLPrivateKey) throws {
        do {
            _ = try NIOSSLContext(configuration: ServerTLS.configuration(chain: [certificate], key: key, clients: nil))
        } catch {
            throw StartUpFault.configuration("\(file.path) does not belong to its key; put the matching pair there")
        }
    }
}
