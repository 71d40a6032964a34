import Foundation
import Subprocess
import SystemPackage
import Testing

/// Through a registry that is not ours, and back.
@Suite(.timeLimit(.minutes(3))) struct RegistryTests {
    private static let skopeo = "/usr/bin/skopeo"
    private static let registry = "/usr/bin/docker-registry"
    private static let areThere = [skopeo, registry].allSatisfy { FileManager.default.isExecutableFile(atPath: $0) }

    /// Runs `body` with the address of an empty registry on loopback, at a port of the kernel's choosing.
    private func withRegistry(in folder: URL, _ body: @Sendable @escaping (String) async throws -> Void) async throws {
        let configuration = folder.appending(path: "registry.yml")
        try """
        version: 0.1
        log: {level: info, formatter: json}
        storage: {filesystem: {rootdirectory: "\(folder.path)/registry"}}
        http: {addr: "127.0.0.1:0"}
        """.write(to: configuration, atomically: true, encoding: .utf8)
        let (addresses, said) = AsyncStream.makeStream(of: String.self)
        let result = try await Subprocess.run(
            .path(FilePath(Self.registry)), arguments: ["serve", configuration.path], input: .none, output: .discarded,
            error: .sequence
        ) { execution -> Result<Void, any Error> in
            let lines = execution.standardError.strings()
            return try await withThrowingTaskGroup(of: Void.self) { group in
                // Read to its end: the registry logs every request, and must not find a full pipe.
                group.addTask {
                    for try await line in lines {
                        if let found = line.firstMatch(of: /listening on (127\.0\.0\.1:[0-9]+)/) { said.yield(String(found.1)) }
                    }
                    said.finish()
                }
                let outcome: Result<Void, any Error>
                do {
                    try await body(try #require(await addresses.first { _ in true }))
                    outcome = .success(())
                } catch {
                    outcome = .failure(error)
                }
                try execution.send(signal: .terminate)
                try await group.waitForAll()
                return outcome
            }
        }
        try result.closureResult.get()
    }

    @Test(.enabled(if: areThere, "needs skopeo and docker-registry (apt-get install skopeo docker-registry)"))
    func `a signed bundle comes back from a third-party registry byte by byte, and still verifies`() async throws {
        try await withTemporaryFolder { folder in
            func flowforge(_ arguments: String...) async throws -> CommandResult {
                let result = try await execute(Checkout.programs.appending(path: "flowforge").path, arguments)
                try #require(result.status == 0, "flowforge \(arguments.joined(separator: " ")): \(result)")
                return result
            }
            let key = folder.appending(path: "key").path
            let (there, back) = (folder.appending(path: "there"), folder.appending(path: "back"))
            let example = Checkout.root.appending(path: "Examples/nyc-flights").path
            _ = try await flowforge("key", "generate", "-o", key)
            _ = try await flowforge("bundle", "build", example, "-o", there.path)
            _ = try await flowforge("bundle", "sign", there.path, "--key", key)
            let names = try Self.names(of: there)
            try #require(names.count == 2)
            try await withRegistry(in: folder) { address in
                for name in names {
                    // skopeo knows no referrers: the statement travels by the name that it has in the layout.
                    let tag = String(name.split(separator: ":").last ?? "")
                    let remote = "docker://\(address)/flowforge/nyc-flights:\(tag)"
                    try await Self.copy("oci:\(there.path):\(name)", remote, ["--dest-tls-verify=false"])
                    try await Self.copy(remote, "oci:\(back.path):\(name)", ["--src-tls-verify=false"])
                }
            }
            let blobs = "blobs/sha256"
            let sent = try FileManager.default.contentsOfDirectory(atPath: there.appending(path: blobs).path).sorted()
            #expect(sent.count == 6)
            #expect(try FileManager.default.contentsOfDirectory(atPath: back.appending(path: blobs).path).sorted() == sent)
            for name in sent {
                #expect(
                    try Data(contentsOf: there.appending(path: "\(blobs)/\(name)"))
                        == Data(contentsOf: back.appending(path: "\(blobs)/\(name)")), "\(name)")
            }
            let verified = try await flowforge("bundle", "verify", back.path, "--key", key + ".pub")
            #expect(verified.output.contains("is whole and signed"), "\(verified)")
        }
    }

    private static func names(of layout: URL) throws -> [String] {
        let index =
            try JSONSerialization.jsonObject(with: Data(contentsOf: layout.appending(path: "index.json"))) as? [String: Any]
        return try #require(index?["manifests"] as? [[String: Any]]).compactMap {
            ($0["annotations"] as? [String: String])?["org.opencontainers.image.ref.name"]
        }
    }

    private static func copy(_ source: String, _ target: String, _ options: [String]) async throws {
        let copied = try await execute(skopeo, ["--insecure-policy", "copy", "--quiet"] + options + [source, target])
        try #require(copied.status == 0, "\(source) → \(target): \(copied)")
    }
}
