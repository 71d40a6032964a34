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
            let digest = try context.part("digest")
            // Whoever asks before a push is told no lie that garbage collection makes true.
            guard let bytes = try registry.size(ofBlob: digest), try await registry.owns(digest), registry.renew([digest]) else {
                return Response(status: .notFound)
            }
            return Response(
                status: .ok, headers: [.contentType: "application/octet-stream", .contentLength: "\(bytes)"])
        }
        get("blobs/:digest") { request, context, _ in
            let digest = try context.part("digest")
            try await registry.requireOwn([digest])
            return try await BlobResponse(digest, of: registry).response(to: request, context: context)
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

    func addYanking(_ registry: BundleRegistry) {
        post("bundles/:bundle/:version/yank", .operator_) { request, context, caller in
            let wanted = try await request.decoded(OperatorAPI.YankBundle.self)
            return try .json(
                try await registry.yank(
                    try context.part("bundle"), version: try context.part("version"), reason: wanted.reason, by: caller.actor))
        }
        post("bundles/:bundle/:version/unyank", .operator_) { _, context, caller in
            try .json(
                try await registry.unyank(
                    try context.part("bundle"), version: try context.part("version"), by: caller.actor))
        }
    }

    func addGarbageCollection(_ garbage: GarbageCollection) {
        post(
            "garbage-collections", .owner,
            use: platform("garbage collections") { request, _, caller in
                let wanted = try await request.decoded(OperatorAPI.CollectGarbage.self)
                return try .json(try await garbage.collect(dryRun: wanted.dryRun ?? false, by: caller.actor))
            })
    }

    func addReferrers(_ registry: BundleRegistry, _ evidence: EvidenceSigner) {
        get("bundles/:bundle/referrers") { request, context, _ in
            let query = try OperatorQuery(request, allowing: ["artifactType"])
            return try .json(
                try await registry.referrers(of: try context.part("bundle"), artifactType: query.text("artifactType")))
        }
        post("bundles/:bundle/referrers", .operator_) { request, context, caller in
            let wanted = try await request.decoded(OperatorAPI.PushReferrer.self)
            let result = try await registry.pushReferrer(wanted.digest, of: try context.part("bundle"), by: caller.actor)
            return try .created(result.created, result.referrer)
        }
        get("evidence-key") { request, _, _ in
            _ = try OperatorQuery(request)
            return try .json(evidence.view)
        }
    }

    func addBundles(_ registry: BundleRegistry) {
        get("bundles") { request, _, _ in
            let page = try OperatorQuery(request, allowing: ["after", "limit"]).page()
            return try .json(try await registry.list(after: page.after, limit: page.limit))
        }
        post("bundles", .operator_) { request, _, caller in
            let wanted = try await request.decoded(OperatorAPI.PushBundle.self)
            let result = try await registry.push(
                digest: wanted.digest, attestations: wanted.attestations ?? [], by: caller.actor)
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
