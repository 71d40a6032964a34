public import FlowForgeDomain
public import FlowForgeProtocol
internal import FlowForgeStore

extension BundleRegistry {
    /// Withdraws a version: it is released nowhere anew, and what is released of it runs on. Yanking again changes the
    /// reason. Throws ``APIError`` `not_found`, or `invalid_request` for a reason that is empty or long.
    public func yank(_ name: String, version: String, reason: String, by actor: Actor) async throws -> OperatorAPI.BundleView {
        let reason = String(reason.drop(while: \.isWhitespace))
        guard !reason.isEmpty, reason.utf8.count <= 1000 else {
            throw APIError(.invalidRequest, "reason: it is empty or longer than 1,000 bytes", hint: "say why in a sentence")
        }
        return try await change(name, version) { row, session in
            guard row.yank?.reason != reason else { return }
            try session.bundles.yank(digest: row.reference.digest, reason: reason, by: actor.description)
            try session.audit.append(
                actor: actor, action: "bundle.yank", subject: "\(name)@\(version)",
                detail: ["digest": .string(row.reference.digest), "reason": .string(reason)])
        }
    }

    /// Takes the withdrawal back. Of what is not yanked nothing changes.
    public func unyank(_ name: String, version: String, by actor: Actor) async throws -> OperatorAPI.BundleView {
        try await change(name, version) { row, session in
            guard row.yank != nil else { return }
            try session.bundles.unyank(digest: row.reference.digest)
            try session.audit.append(
                actor: actor, action: "bundle.unyank", subject: "\(name)@\(version)",
                detail: ["digest": .string(row.reference.digest)])
        }
    }

    private func change(
        _ name: String, _ version: String, _ body: @Sendable @escaping (BundleRow, Session) throws -> Void
    ) async throws -> OperatorAPI.BundleView {
        guard let selector = BundleSelector("\(name)@\(version)") else {
            throw APIError(.invalidRequest, "'\(name.prefix(80))@\(version.prefix(80))' is no name and version")
        }
        let (row, manifest) = try await store.write { session in
            let found = try selector.resolve(in: session)
            guard session.scope.isWholeOrganisation else { throw APIError.needsOrganisation("bundles") }
            try body(found, session)
            let row = try selector.resolve(in: session)
            return (row, try session.bundles.requiredManifest(row.reference))
        }
        return OperatorAPI.BundleView(row, manifest: manifest, signatures: try await signatures(of: row.reference.digest))
    }
}
