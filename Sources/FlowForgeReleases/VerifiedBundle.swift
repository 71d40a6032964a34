import Crypto
import FlowForgeBundle
import FlowForgeProtocol
import Foundation

/// What a push knows of a bundle once all its blobs were read and found sound.
struct VerifiedBundle: Sendable {
    var manifest: Manifest
    /// Of all blobs together.
    var bytes: Int64
    var manifestBytes: Int64

    /// Reads everything, so call it where blocking is allowed.
    init(_ digest: String, in folder: RegistryFolder) throws {
        let content = try Self.blob(digest, in: folder)
        let image = try WireCoding.decode(OCIImage.self, from: content)
        let config = try Self.blob(image.config.digest, in: folder)
        manifest = try WireCoding.decode(Manifest.self, from: config)
        bytes = Int64(content.count) + image.config.size + image.layers.reduce(0) { $0 + $1.size }
        manifestBytes = Int64(content.count)
    }

    private static func blob(_ digest: String, in folder: RegistryFolder) throws -> Data {
        try Data(contentsOf: folder.place(of: digest), options: .alwaysMapped)
    }
}

struct OCIImage: Codable {
    struct Descriptor: Codable {
        var mediaType: String
        var digest: String
        var size: Int64
    }
    var config: Descriptor
    var layers: [Descriptor]
}
