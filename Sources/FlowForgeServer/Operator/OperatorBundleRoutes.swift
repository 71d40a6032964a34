import FlowForgeDomain
import FlowForgeGovernance
import FlowForgeProtocol
import FlowForgeReleases
import Hummingbird
import NIOCore

extension OperatorRoutes {
    func addBlobs(_ registry: BundleRegistry) {
        // An answer to HEAD has no body, not even one that says what is wrong.
        head("blobs/:digest", .operator_) { _, context, _ in
            guard let bytes = try registry.size(ofBlob: try context.part("digest")) else {
                return Response(status: .notFound)
            }
            return Response(
                status: .ok, headers: [.contentType: "application/octet-stream", .contentLength: "\(bytes)"])
        }
        get("blobs/:digest") { request, context, _ in
            try await BlobResponse(try context.part("digest"), of: registry).response(to: request, context: context)
        }
        put("blobs/:digest", .operator_) { request, context, _ in
            if let length = request.headers[.contentLength].flatMap(Int64.init), length > BundleRegistry.largestBlob {
                throw APIError(
                    .tooLarge, "the blob is larger than \(BundleRegistry.largestBlob >> 20) MiB",
                    hint: "keep data out of the bundle; it carries code and configuration only")
            }
            let created = try await registry.putBlob(
                try context.part("digest"), from: request.body.map(\.readableBytesView))
            return Response(status: created ? .created : .ok)
        }
    }

    func addBundles(_ registry: BundleRegistry) {
        get("bundles") { request, _, _ in
            let page = try OperatorQuery(request, allowing: ["after", "limit"]).page()
            return try .json(try await registry.list(after: page.after, limit: page.limit))
        }
        post("bundles", .operator_) { request, _, caller in
            let wanted = try await request.decoded(OperatorAPI.PushBundle.self)
            let result = try await registry.push(digest: wanted.digest, by: caller.actor)
            return try .created(result.created, result.bundle)
        }
        get("bundles/:bundle") { request, context, _ in
            _ = try OperatorQuery(request)
            return try .json(try await registry.show(try context.part("bundle")))
        }
        get("bundles/:bundle/:version") { request, context, _ in
            _ = try OperatorQuery(request)
            return try .json(
                try await registry.show("\(try context.part("bundle"))@\(try context.part("version"))"))
        }
    }
}
