import FlowForgeProtocol
public import Foundation

/// The agent's identity on disk: `<state>/identity` is a link to `<state>/identities/<n>`, which holds
/// `agent.key` (0600), `agent.pem`, `trust.pem` and `identity.json`. A new identity is written whole
/// into a folder of its own, then the link moves, so that a reader or a power cut sees the old
/// identity or the new one, never a key without its certificate.
public struct IdentityFolder: Sendable {
    let state: URL
    private var link: URL { state.appending(path: "identity") }
    private var generations: URL { state.appending(path: "identities") }

    public init(state: URL) { self.state = state }

    /// - Throws: ``IdentityError``: not joined, unreadable, or a key that others may read.
    public func load() throws -> Identity {
        guard FileManager.default.fileExists(atPath: link.path) else { throw IdentityError.notJoined(folder: link.path) }
        let keyFile = link.appending(path: "agent.key")
        let mode = try DiskFile.mode(keyFile)
        guard mode & 0o077 == 0 else {
            throw IdentityError.exposedKey(file: keyFile.path, mode: String(mode & 0o777, radix: 8))
        }
        let record: IdentityRecord
        do {
            record = try WireCoding.decode(IdentityRecord.self, from: Data(contentsOf: link.appending(path: "identity.json")))
        } catch {
            throw IdentityError.unreadable(file: link.appending(path: "identity.json").path, reason: "cannot be read")
        }
        return Identity(
            record: record, certificate: try text("agent.pem"), trustBundle: try text("trust.pem"),
            key: Secret(try text("agent.key")))
    }

    /// Replaces the identity; durable on return. On a throw nothing of the new one is left, unless it has taken the
    /// place of the old one.
    public func save(_ identity: Identity) throws {
        let name = UUID().uuidString.lowercased()
        let folder = generations.appending(path: name)
        do {
            try DiskFile.makeFolder(state, mode: 0o700)
            try DiskFile.makeFolder(generations, mode: 0o700)
            try DiskFile.makeFolder(folder, mode: 0o700)
            try DiskFile.write(Data(identity.key.reveal().utf8), to: folder.appending(path: "agent.key"), mode: 0o600)
            try DiskFile.write(Data(identity.certificate.utf8), to: folder.appending(path: "agent.pem"), mode: 0o644)
            try DiskFile.write(Data(identity.trustBundle.utf8), to: folder.appending(path: "trust.pem"), mode: 0o644)
            try DiskFile.write(
                WireCoding.encoder(pretty: true).encode(identity.record), to: folder.appending(path: "identity.json"), mode: 0o644
            )
            try DiskFile.sync(folder: generations)
            try DiskFile.link(link, to: "identities/\(name)")
            try removeOthers(than: name)
        } catch {
            let failure = error
            if (try? FileManager.default.destinationOfSymbolicLink(atPath: link.path)) != "identities/\(name)" {
                do { try DiskFile.remove(folder: folder) } catch {
                    // The next that is saved removes it.
                }
            }
            guard let failure = failure as? DiskError else { throw failure }
            throw IdentityError.unwritable(folder: state.path, reason: failure.description)
        }
    }

    /// A generation that the link has left is of no use to anyone but a thief.
    private func removeOthers(than current: String) throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: generations.path) where name != current {
            try FileManager.default.removeItem(at: generations.appending(path: name))
        }
    }

    private func text(_ name: String) throws -> String {
        let file = link.appending(path: name)
        do { return try String(contentsOf: file, encoding: .utf8) } catch {
            throw IdentityError.unreadable(file: file.path, reason: "cannot be read")
        }
    }
}
