import FlowForgeBundle
import FlowForgeProtocol
import Foundation

@testable import FlowForgeAgentCore

/// The one bundle of all schedules, and an agent's cache that has it.
struct Bundles: Sendable {
    let manifest: Manifest
    let reference: BundleReference
    let cache: BundleCache

    static let text = """
        bundle:
          name: shop
          version: 1.0.0
        flows:
          single:
            tasks:
              only: {layer: bronze, command: [run.sh], output: bronze.single, timeout: 60s, uses: {warehouse: 1}, retries: {max: 2, delay: 3s}}
          chain:
            tasks:
              first: {layer: bronze, command: [run.sh], output: bronze.chain, timeout: 60s, retries: {max: 1, delay: 5s}}
              second:
                {layer: silver, command: [run.sh], inputs: [bronze.chain], output: silver.chain, timeout: 60s, retries: {max: 2, delay: 1s}}
          diamond:
            tasks:
              top: {layer: bronze, command: [run.sh], output: bronze.diamond, timeout: 60s, retries: {max: 2, delay: 1s}}
              left: {layer: silver, command: [run.sh], inputs: [bronze.diamond], output: silver.left, timeout: 60s, uses: {warehouse: 2}}
              right: {layer: silver, command: [run.sh], inputs: [bronze.diamond], output: silver.right, timeout: 60s, uses: {warehouse: 1}, retries: {max: 3, delay: 2s}}
              foot: {layer: gold, command: [run.sh], inputs: [silver.left, silver.right], output: gold.diamond, timeout: 60s}
        """

    init(folder: URL) async throws {
        let source = folder.appending(path: "bundle")
        try FileManager.default.createDirectory(at: source, withIntermediateDirectories: true)
        try Self.text.write(to: source.appending(path: "flowforge.yaml"), atomically: true, encoding: .utf8)
        let script = source.appending(path: "run.sh")
        try "#!/bin/sh\n".write(to: script, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: script.path)
        let packed = try BundleBuilder.build(BundleFolder(source))
        manifest = packed.manifest
        reference = packed.reference
        cache = try BundleCache(folder: folder.appending(path: "cache"), controlPlane: Shelf(bundle: packed), maxBytes: 1 << 30)
        try await cache.with(reference.digest) { _ in }
    }

    private struct Shelf: ControlPlane {
        let bundle: PackedBundle
        func poll(_ request: AgentAPI.PollRequest) async throws -> AgentAPI.PollResponse { throw LinkError.timedOut }
        func report(_ body: Data) async throws -> AgentAPI.ReportResponse { throw LinkError.timedOut }
        func referrers(of digest: String) async throws -> ReferrerIndex { throw LinkError.timedOut }
        func renew(_ request: AgentAPI.RenewRequest) async throws -> AgentAPI.CertificateGrant { throw LinkError.timedOut }
        func blob(_ digest: String, from offset: Int64, write: @Sendable (Data) throws -> Void) async throws -> Int64 {
            guard let blob = bundle.blobs.first(where: { $0.descriptor.digest == digest }) else { throw LinkError.timedOut }
            try write(blob.bytes.dropFirst(Int(offset)))
            return Int64(blob.bytes.count)
        }
    }
}
