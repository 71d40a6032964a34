import ArgumentParser
import FlowForgeBundle
import FlowForgeClient
import FlowForgeProtocol
import Foundation

struct AdminCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "admin", abstract: "Back up the control plane, check a backup, restore one; what is kept how long.",
        subcommands: [AdminBackup.self, AdminBackups.self, AdminCheck.self, AdminRestore.self, AdminRetention.self, AdminGC.self])
}

struct AdminBackup: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Make a backup on the control plane's machine, while it works.",
        discussion: """
            The control plane writes a consistent copy of its database, the bundles and the CA's certificate \
            into a new folder below backup.folder, and answers when it is on disk. Copy that folder \
            elsewhere. The CA's private key is in it only sealed, and only where backup.sealing_key is set.

              flowforge admin backup
            """)
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let backup = try await remote.client.makeBackup()
        for warning in backup.warnings { remote.console.complain("warning: not in the backup: \(warning)") }
        try remote.show(backup) { style, _ in
            """
            \(backup.folder)

            \(style.paint("\(backup.files) files, \(Figures.bytes(backup.bytes)), manifest \(backup.manifestDigest)", .dim))
            """
        }
    }
}

struct AdminBackups: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "backups", abstract: "List the backups in the control plane's backup folder.",
        discussion: """
              flowforge admin backups
            """)
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        try remote.show(try await remote.client.backups(), empty: "no backups") { items, _ in
            Table(
                [
                    .init("BACKUP"), .init("MADE"), .init("SIZE", right: true), .init("CA KEY"), .init("WARNINGS", right: true),
                    .init("FOLDER", flexible: true),
                ],
                rows: items.map {
                    [
                        $0.name, Figures.relative($0.madeAt, to: remote.now), Figures.bytes($0.bytes),
                        $0.hasSealedKey ? "sealed" : "elsewhere", "\($0.warnings.count)", $0.folder,
                    ]
                })
        }
    }
}

struct AdminRetention: RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "retention", abstract: "Show how long what is finished is kept, and what would be removed now.",
        discussion: """
            The settings are in the control plane's configuration (retention.runs, .logs, .lineage_events). The \
            audit trail is kept for ever.

              flowforge admin retention
            """)
    @OptionGroup var global: GlobalOptions

    func run(_ remote: Remote) async throws {
        let view = try await remote.client.retention()
        try remote.show(view) { style, width in
            Table(
                [.init("WHAT"), .init("KEPT"), .init("RUNS DUE", right: true)],
                rows: [("runs", view.runs), ("logs", view.logs), ("lineage events", view.lineageEvents)].map { what, rule in
                    [what, rule.map { Figures.duration(seconds: $0.seconds) } ?? "for ever", rule.map { "\($0.dueRuns)" } ?? "-"]
                }
            ).render(style, width: width)
        }
    }
}

/// What `check` and `restore` say about a backup.
private struct CheckedBackup: Encodable {
    var name: String
    var madeAt: Date
    var files: Int
    var bytes: Int64
    var manifestDigest: String
    var problems: [String]
}

struct AdminCheck: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Compare every file of a backup with its manifest. Needs no control plane.",
        discussion: """
            Ends with 1 when anything is missing or damaged. The manifest's digest is in the audit trail of the \
            control plane (action backup.create).

              flowforge admin check /backup/backup-20261123T081500000Z
            """)
    @Argument(help: ArgumentHelp("The backup's folder.", valueName: "backup")) var folder: String
    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let console = Console(global, environment: ProcessInfo.processInfo.environment)
        let backup = try Backup(URL(filePath: folder).standardizedFileURL)
        let problems = try backup.check()
        let manifest = backup.manifest
        if console.json {
            try console.print(
                json: CheckedBackup(
                    name: manifest.name, madeAt: manifest.madeAt, files: manifest.files.count, bytes: manifest.bytes,
                    manifestDigest: backup.manifestDigest, problems: problems))
        } else {
            for problem in problems { console.complain("\(console.noteStyle.paint("error:", .bold, .red)) \(problem)") }
            if problems.isEmpty {
                try console.print(
                    "sound: \(manifest.files.count) files, \(Figures.bytes(manifest.bytes)), made \(WireCoding.text(manifest.madeAt)) "
                        + "by flowforged \(manifest.madeBy), manifest \(backup.manifestDigest)")
            }
        }
        for warning in manifest.warnings { console.complain("warning: not in the backup: \(warning)") }
        if !problems.isEmpty { throw Ended(status: .failed) }
    }
}

struct AdminRestore: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Put a backup into a data folder, wholly or not at all.",
        discussion: """
            Runs on the control plane's machine, with flowforged stopped. What is in the folder is moved aside, \
            never deleted. An interrupted restore keeps flowforged from starting until it has been run again.

              flowforge admin restore /backup/backup-20261123T081500000Z --data /var/lib/flowforge --sealing-key backup.key
              flowforge admin restore BACKUP --data DIR --replace --ca-key /safe/ca.key
            """)
    @Argument(help: ArgumentHelp("The backup's folder.", valueName: "backup")) var folder: String
    @Option(help: ArgumentHelp("The data folder; made if it is not there.", valueName: "dir")) var data: String
    @Flag(help: "Move what is in the data folder aside.") var replace = false
    @Option(help: ArgumentHelp("The key that backup.sealing_key named when the backup was made.", valueName: "file"))
    var sealingKey: String?
    @Option(help: ArgumentHelp("A copy of ca.key, where the backup has none.", valueName: "file")) var caKey: String?
    @OptionGroup var global: GlobalOptions

    func validate() throws {
        guard (sealingKey == nil) != (caKey == nil) else {
            throw ValidationError("give --sealing-key FILE, or --ca-key FILE where the backup has no sealed key")
        }
    }

    func run() async throws {
        let console = Console(global, environment: ProcessInfo.processInfo.environment)
        let backup = try Backup(URL(filePath: folder).standardizedFileURL)
        let restore = BackupRestore(
            backup, to: URL(filePath: data).standardizedFileURL, replaces: replace, key: try keySource())
        let outcome = try restore.run()
        for warning in backup.manifest.warnings { console.complain("warning: not in the backup: \(warning)") }
        if console.json { return try console.print(json: outcome) }
        try console.print("restored \(outcome.backup) into \(outcome.dataFolder)")
        if let replaced = outcome.replaced { console.note("what was there is in \(replaced); remove it when all is well") }
        console.note(
            """
            Start flowforged. What happened after \(WireCoding.text(outcome.madeAt)) is not known to it: join tokens are \
            revoked; revoke again the principals and agents that were revoked since, and start again the runs that were \
            started since (docs/operations.md, After a restore).
            """)
    }

    private func keySource() throws -> BackupRestore.KeySource {
        if let caKey { return .copy(Secret(try String(contentsOfFile: caKey, encoding: .utf8))) }
        let text = Secret(try String(contentsOfFile: sealingKey ?? "", encoding: .utf8))
        guard let key = SealingKey(text) else {
            throw CommandError(
                .usage, "usage", "\(sealingKey ?? "") is no sealing key",
                hint: "64 hexadecimal digits, as `openssl rand -hex 32` prints")
        }
        return .sealed(key)
    }
}
