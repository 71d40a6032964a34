import FlowForgeProtocol
import Foundation
import Testing

@testable import FlowForgeBundle

/// Backups as files: what is read of them, and how they are put back.
@Suite struct BackupTests {
    private static let sealing = String(repeating: "0123456789abcdef", count: 4)
    private let key = Secret("-----BEGIN PRIVATE KEY-----")

    /// A backup of a few files, with its CA key sealed.
    private func backup(in folder: URL, _ change: (inout BackupManifest) -> Void = { _ in }) throws -> URL {
        let place = folder.appending(path: "backup-1")
        try FileManager.default.createDirectory(
            at: place.appending(path: "bundles/blobs/sha256"), withIntermediateDirectories: true)
        let sealed = try #require(try SealingKey(Secret(Self.sealing))?.seal(key, for: "backup-1"))
        let contents: [String: Data] = [
            "flowforge.db": Data("database".utf8), "ca.pem": Data("certificate".utf8), "server.pem": Data("server".utf8),
            "flowforged.yaml": Data("data_dir: .".utf8), "ca.key.sealed": sealed, "bundles/index.json": Data("{}".utf8),
            "bundles/blobs/sha256/ab": Data("blob".utf8),
        ]
        for (path, data) in contents { try data.write(to: place.appending(path: path)) }
        var manifest = BackupManifest(
            name: "backup-1", madeAt: Date(timeIntervalSince1970: 1), madeBy: "0.1.0", lastAuditEntry: 1,
            files: contents.map { .init(path: $0, bytes: Int64($1.count), digest: ContentDigest.of($1)) },
            caKeyDigest: ContentDigest.of(Data(key.reveal().utf8)), warnings: [])
        change(&manifest)
        try WireCoding.encode(manifest).write(to: place.appending(path: "manifest.json"))
        return place
    }

    private func restore(
        _ backup: URL, to target: URL, replaces: Bool = false, sealing: String = sealing
    ) throws -> BackupRestore.Outcome {
        try BackupRestore(
            try Backup(backup), to: target, replaces: replaces, key: .sealed(try #require(SealingKey(Secret(sealing))))
        ).run()
    }

    private func names(_ folder: URL) throws -> Set<String> {
        Set(try FileManager.default.contentsOfDirectory(atPath: folder.path))
    }
    private func text(_ folder: URL, _ name: String) throws -> String {
        try String(contentsOf: folder.appending(path: name), encoding: .utf8)
    }

    @Test func `a backup is restored into an empty folder, with its key and a mark`() throws {
        try withFolder { folder in
            let target = folder.appending(path: "data")
            let outcome = try restore(try backup(in: folder), to: target)
            #expect(outcome.replaced == nil)
            let expected: Set = [
                "flowforge.db", "ca.pem", "ca.key", "server.pem", "flowforged.yaml", "bundles", "restored.json", "lock",
            ]
            #expect(try names(target) == expected)
            #expect(try text(target, "ca.key") == key.reveal())
            #expect(try text(target, "bundles/blobs/sha256/ab") == "blob")
            let modes = try ["ca.key", "flowforge.db", "."].map {
                try FileManager.default.attributesOfItem(atPath: target.appending(path: $0).path)[.posixPermissions] as? Int
            }
            #expect(modes == [0o600, 0o600, 0o700])
        }
    }

    @Test func `what is in the way is refused, and moved aside when that is wanted`() throws {
        try withFolder { folder in
            let backup = try backup(in: folder)
            let target = folder.appending(path: "data")
            try FileManager.default.createDirectory(at: target, withIntermediateDirectories: true)
            let kept = ["flowforged.yaml", "operator.pem", "operator.key", "backup.key"]
            let old = ["flowforge.db", "flowforge.db-wal", "flowforge.db-shm", "ca.key", "server.key", "restored.json"]
            for name in kept + old {
                try Data("old \(name)".utf8).write(to: target.appending(path: name))
            }
            #expect(throws: BackupFault.self) { try restore(backup, to: target) }
            #expect(try text(target, "flowforge.db") == "old flowforge.db")
            let replaced = try #require(try restore(backup, to: target, replaces: true).replaced)
            #expect(try text(target, "flowforge.db") == "database")
            // A log of another database must not stay beside this one.
            #expect(try names(URL(filePath: replaced)) == Set(old))
            // This machine's configuration, and the files that it may name.
            for name in kept { #expect(try text(target, name) == "old \(name)") }
        }
    }

    @Test func `a served folder, a wrong key and a damaged backup change nothing`() throws {
        try withFolder { folder in
            let backup = try backup(in: folder)
            let target = folder.appending(path: "data")
            #expect(throws: BackupFault.self) { try restore(backup, to: target, sealing: String(repeating: "0", count: 64)) }
            #expect(!FileManager.default.fileExists(atPath: target.path))
            try FileManager.default.createDirectory(at: target, withIntermediateDirectories: true)
            let lock = try FolderLock(target.appending(path: "lock"))
            #expect(throws: BackupFault.self) { try restore(backup, to: target) }
            withExtendedLifetime(lock) {}
        }
        try withFolder { folder in
            let backup = try backup(in: folder)
            let target = folder.appending(path: "data")
            try Data("Blob".utf8).write(to: backup.appending(path: "bundles/blobs/sha256/ab"))
            #expect(try Backup(backup).check() == ["bundles/blobs/sha256/ab is damaged: its digest differs"])
            #expect(throws: BackupFault.self) { try restore(backup, to: target) }
            #expect(try names(target) == ["lock"])
        }
    }

    @Test func `an interrupted restore is made anew, whatever it had moved`() throws {
        try withFolder { folder in
            let backup = try backup(in: folder)
            let target = folder.appending(path: "data")
            // Killed after the first file was moved out of the way and the first into place.
            for path in ["restoring/bundles", "replaced-1"] {
                try FileManager.default.createDirectory(at: target.appending(path: path), withIntermediateDirectories: true)
            }
            try Data("old".utf8).write(to: target.appending(path: "replaced-1/ca.key"))
            try Data("half".utf8).write(to: target.appending(path: "restoring/ca.pem"))
            try Data("database".utf8).write(to: target.appending(path: "flowforge.db"))
            _ = try restore(backup, to: target)
            #expect(try text(target, "ca.key") == key.reveal() && text(target, "replaced-1/ca.key") == "old")
            #expect(try !names(target).contains("restoring"))
        }
    }

    @Test(arguments: [
        "../etc/passwd", "/etc/passwd", "bundles/../../x", "bundles//x", "bundles/.", "bundles/a/b/c/d", "ca.key",
        "restored.json",
        "bundles/.hidden", "", "bundles/a b",
    ]) func `a manifest that names other files is refused`(path: String) throws {
        try withFolder { folder in
            let place = try backup(in: folder) { $0.files.append(.init(path: path, bytes: 1, digest: "sha256:0")) }
            #expect(throws: BackupFault.self) { try Backup(place) }
        }
    }

    @Test func `a manifest that is none, newer, or names a file twice is refused`() throws {
        try withFolder { folder in
            #expect(throws: BackupFault.self) { try Backup(folder) }
            for text in ["", "[]", "{}", "{\"format\":1}", "{\"format\":99}", String(repeating: "[", count: 100_000)] {
                try Data(text.utf8).write(to: folder.appending(path: "manifest.json"))
                #expect(throws: BackupFault.self) { try Backup(folder) }
            }
        }
        try withFolder { folder in
            let place = try backup(in: folder) { $0.files.append($0.files[0]) }
            #expect(throws: BackupFault.self) { try Backup(place) }
        }
    }

    @Test func `a file that is missing, longer, or a link is a problem`() throws {
        try withFolder { folder in
            let place = try backup(in: folder)
            let files = FileManager.default
            try files.removeItem(at: place.appending(path: "ca.pem"))
            try Data("database and more".utf8).write(to: place.appending(path: "flowforge.db"))
            try files.removeItem(at: place.appending(path: "server.pem"))
            try files.createSymbolicLink(atPath: place.appending(path: "server.pem").path, withDestinationPath: "/etc/passwd")
            let problems = try Backup(place).check()
            #expect(problems.count == 3, "\(problems)")
        }
    }

    @Test func `the key of evidence comes back with the sealing key, and is no other secret`() throws {
        try withFolder { folder in
            let place = try backup(in: folder) { manifest in
                let sealed = try? SealingKey(Secret(Self.sealing))?.seal(Secret("evidence"), for: "backup-1", "evidence.key")
                let file = folder.appending(path: "backup-1/evidence.key.sealed")
                try? sealed?.write(to: file)
                manifest.files.append(
                    .init(
                        path: "evidence.key.sealed", bytes: Int64(sealed?.count ?? 0), digest: ContentDigest.of(sealed ?? Data()))
                )
            }
            let target = folder.appending(path: "data")
            _ = try restore(place, to: target)
            #expect(try text(target, "evidence.key") == "evidence")
            #expect(try !names(target).contains("evidence.key.sealed"))
            let mode = try FileManager.default.attributesOfItem(atPath: target.appending(path: "evidence.key").path)[
                .posixPermissions]
            #expect(mode as? Int == 0o600)
            // The CA's sealed key in its place does not open.
            let caKey = try Data(contentsOf: place.appending(path: "ca.key.sealed"))
            try caKey.write(to: place.appending(path: "evidence.key.sealed"))
            #expect(throws: BackupFault.self) { try restore(place, to: folder.appending(path: "other")) }
            // With a copy of the CA's key only that comes back.
            let copied = try BackupRestore(
                try Backup(place), to: folder.appending(path: "copied"), replaces: false, key: .copy(key)
            ).run()
            #expect(try !names(URL(filePath: copied.dataFolder)).contains("evidence.key"))
        }
    }

    @Test func `a sealed key opens with its own key and under its own name only`() throws {
        let sealing = try #require(SealingKey(Secret(Self.sealing + "\n")))
        var sealed = try sealing.seal(key, for: "a")
        #expect(sealing.open(sealed, of: "a")?.reveal() == key.reveal())
        #expect(sealing.open(sealed, of: "b") == nil)
        #expect(SealingKey(Secret(String(repeating: "1", count: 64)))?.open(sealed, of: "a") == nil)
        sealed[sealed.count - 1] ^= 1
        #expect(sealing.open(sealed, of: "a") == nil && sealing.open(Data(), of: "a") == nil)
        for text in ["", "abc", String(repeating: "g", count: 64), String(repeating: "0", count: 63)] {
            #expect(SealingKey(Secret(text)) == nil)
        }
    }

    private func withFolder(_ body: (URL) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "ff-backup-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try body(folder)
    }
}
