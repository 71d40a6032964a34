internal import FlowForgeBundle
internal import FlowForgeDomain
internal import FlowForgeFleet
internal import FlowForgeGovernance
public import FlowForgeProtocol
internal import FlowForgeStore
public import Foundation

/// Makes a new control plane's folder: CA, server certificate, configuration, database, first owner.
public struct Initialization: Sendable {
    public var dataFolder: URL
    public var configuration: URL
    public var trustDomain: String
    public var agentListen: ListenAddress
    public var agentURL: String
    public var operatorListen: ListenAddress
    /// Names and addresses of the server certificate.
    public var hosts: [String]
    public var ownerName: String

    public struct Outcome: Codable, Sendable {
        public var dataFolder: String
        public var configuration: String
        public var caFile: String
        public var caFingerprint: String
        public var agentURL: String
        public var operatorURL: String
        public var owner: String
        /// Printed once; only its hash is kept.
        public var token: Secret
    }

    public init(
        dataFolder: URL, configuration: URL, trustDomain: String, agentListen: ListenAddress, agentURL: String,
        operatorListen: ListenAddress, hosts: [String], ownerName: String = "owner"
    ) {
        self.dataFolder = dataFolder
        self.configuration = configuration
        self.trustDomain = trustDomain
        self.agentListen = agentListen
        self.agentURL = agentURL
        self.operatorListen = operatorListen
        self.hosts = hosts
        self.ownerName = ownerName
    }

    /// Throws ``StartUpFault/configuration(_:)`` and changes nothing when a control plane is there
    /// already. What a failed run made is taken away again, as far as this run made it.
    public func run() async throws -> Outcome {
        try check()
        let files = FileManager.default
        let before = files.fileExists(atPath: dataFolder.path) ? Set(try files.contentsOfDirectory(atPath: dataFolder.path)) : nil
        do {
            return try await make()
        } catch {
            // There was no configuration: `check` has looked.
            if files.fileExists(atPath: configuration.path) { try files.removeItem(at: configuration) }
            guard let before else {
                if files.fileExists(atPath: dataFolder.path) { try files.removeItem(at: dataFolder) }
                throw error
            }
            for name in try files.contentsOfDirectory(atPath: dataFolder.path) where !before.contains(name) {
                try files.removeItem(at: dataFolder.appending(path: name))
            }
            throw error
        }
    }

    private func check() throws(StartUpFault) {
        guard SPIFFEID.isTrustDomain(trustDomain) else {
            throw .configuration(
                "'\(trustDomain.prefix(80))' is not a trust domain; use lower-case letters, digits, '.', '-' and '_', "
                    + "e.g. --trust-domain flowforge.example.com")
        }
        let folder = DataFolder(dataFolder)
        for file in [folder.caCertificate, folder.caKey, folder.database]
        where FileManager.default.fileExists(atPath: file.path) {
            throw .configuration(
                "\(dataFolder.path) holds a control plane already (\(file.lastPathComponent)); start it with "
                    + "`flowforged serve --config \(configuration.path)`, or choose another --data folder")
        }
        if FileManager.default.fileExists(atPath: configuration.path) {
            throw .configuration("\(configuration.path) exists already; choose another --config, or move it away")
        }
    }

    private func make() async throws -> Outcome {
        let folder = DataFolder(dataFolder)
        try FileManager.default.createDirectory(
            at: dataFolder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: dataFolder.path)
        let root = try CertificateAuthority.create(trustDomain: trustDomain)
        let authority = try CertificateAuthority(certificatePEM: root.certificatePEM, keyPEM: root.keyPEM)
        try DurableFile.create(folder.caKey, contents: Data(root.keyPEM.reveal().utf8), mode: 0o600)
        try DurableFile.create(folder.caCertificate, contents: Data(root.certificatePEM.utf8))
        try folder.write(try authority.issueServer(hosts: hosts, lifetime: .seconds(90 * 86_400)))
        try DurableFile.create(configuration, contents: Data(configurationText.utf8))

        let store = try Store(path: folder.database.path)
        let grant = try await Principals(store: store).create(
            OperatorAPI.CreatePrincipal(name: ownerName, role: .owner), by: .system("flowforged-init"))
        try store.close()
        return Outcome(
            dataFolder: dataFolder.path, configuration: configuration.path, caFile: folder.caCertificate.path,
            caFingerprint: authority.fingerprint, agentURL: agentURL,
            operatorURL: "https://\(Self.reachable(operatorListen))", owner: ownerName, token: grant.token)
    }

    private static func reachable(_ address: ListenAddress) -> ListenAddress {
        ["0.0.0.0", "::"].contains(address.host) ? ListenAddress(host: "localhost", port: address.port) : address
    }

    /// Paths in the file are relative to it.
    private var configurationText: String {
        let parent = configuration.deletingLastPathComponent().standardizedFileURL.path
        let data = dataFolder.standardizedFileURL.path == parent ? "." : dataFolder.standardizedFileURL.path
        return """
            # The configuration of one FlowForge control plane. Paths are relative to this file.
            # Start it with: flowforged serve --config \(configuration.path)
            data_dir: \(Self.quoted(data))

            agent_api:
              listen: \(Self.quoted(agentListen.description))
              # Where agents reach this machine; join tokens carry it.
              url: \(Self.quoted(agentURL))

            operator_api:
              listen: \(Self.quoted(operatorListen.description))
              # A certificate of your own, e.g. of a public CA, instead of our CA's:
              # tls:
              #   certificate: operator.pem
              #   key: operator.key

            log:
              level: info       # trace, debug, info, notice, warning, error
              format: text      # or json: one object a line

            certificates:
              agent_lifetime: 1d

            leases:
              start: 15s        # an agent has this long to confirm that a task runs
              held: 24s         # renewed by polls three times while it lasts
              overdue: 60s      # a task that outlives its own timeout by this, since its agent did not end it, is ended
              recovery: 20s     # after a start no lease is taken back for this long: agents have to come back first

            # How long what is finished is kept; what is not named here is kept for ever, as the audit trail always is.
            retention:
              runs: 365d
              logs: 30d
              lineage_events: 90d

            # What `flowforge admin gc` leaves of bundles that nothing refers to; without this section it removes none of them.
            # bundles:
            #   keep_versions: 20     # the newest of each name
            #   keep_days: 90
            #   rollback_window: 10   # releases of each bundle and environment whose bundles always stay

            # Whose signatures a bundle must bear to be pushed (docs/supply-chain.md).
            # signatures:
            #   keys: [trusted-keys/]
            #   required: true

            # Where `flowforge admin backup` writes, and the key under which backups carry the CA's private key
            # (openssl rand -hex 32); without one, keep a copy of ca.key elsewhere.
            # backup:
            #   folder: /backup/flowforge
            #   sealing_key: backup.key

            """
    }

    private static func quoted(_ text: String) -> String {
        "\"" + text.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\"", with: "\\\"") + "\""
    }
}
