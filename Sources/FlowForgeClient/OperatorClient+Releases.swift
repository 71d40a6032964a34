public import FlowForgeProtocol

extension OperatorClient {
    public func environments(
        after: String? = nil, limit: Int? = nil
    ) async throws -> OperatorAPI.Page<OperatorAPI.EnvironmentView> {
        try await value(.get("/environments", Self.page(after, limit)))
    }

    public func environment(_ name: String) async throws -> OperatorAPI.EnvironmentView {
        try await value(.get("/environments/\(Self.escape(name))"))
    }

    /// `created` is false where an environment with equal settings was there.
    public func createEnvironment(
        _ request: OperatorAPI.CreateEnvironment
    ) async throws -> (environment: OperatorAPI.EnvironmentView, created: Bool) {
        try await created(.post("/environments", request))
    }

    /// Newest first.
    public func releases(
        of environment: String, after: String? = nil, limit: Int? = nil
    ) async throws -> OperatorAPI.Page<OperatorAPI.ReleaseView> {
        try await value(.get("/environments/\(Self.escape(environment))/releases", Self.page(after, limit)))
    }

    /// `bundle` is `name@version` or a digest. `created` is false where it was the current release.
    public func deploy(
        bundle: String, to environment: String
    ) async throws -> (release: OperatorAPI.ReleaseView, created: Bool) {
        try await created(
            .post("/environments/\(Self.escape(environment))/releases", OperatorAPI.Deploy(bundle: bundle)))
    }

    public func bundles(
        after: String? = nil, limit: Int? = nil
    ) async throws -> OperatorAPI.Page<OperatorAPI.BundleView> {
        try await value(.get("/bundles", Self.page(after, limit)))
    }

    public func bundle(_ name: String, version: String) async throws -> OperatorAPI.BundleView {
        try await value(.get("/bundles/\(Self.escape(name))/\(Self.escape(version))"))
    }

    public func bundle(digest: String) async throws -> OperatorAPI.BundleView {
        try await value(.get("/bundles/\(Self.escape(digest))"))
    }

    /// Registers a bundle whose blobs are all stored, with the referrers that sign it. `created` is false where it was there.
    public func pushBundle(
        digest: String, attestations: [String] = []
    ) async throws -> (bundle: OperatorAPI.BundleView, created: Bool) {
        try await created(
            .post("/bundles", OperatorAPI.PushBundle(digest: digest, attestations: attestations.isEmpty ? nil : attestations)))
    }

    /// What is signed about the bundle of that digest, oldest first.
    public func referrers(of bundle: String) async throws -> ReferrerIndex {
        try await value(.get("/bundles/\(Self.escape(bundle))/referrers"))
    }

    /// Records a referrer whose blobs are all stored. `created` is false where it was there.
    public func pushReferrer(
        _ digest: String, of bundle: String
    ) async throws -> (referrer: OperatorAPI.SignatureView, created: Bool) {
        try await created(
            .post("/bundles/\(Self.escape(bundle))/referrers", OperatorAPI.PushReferrer(digest: digest)))
    }

    public func yankBundle(_ name: String, version: String, reason: String) async throws -> OperatorAPI.BundleView {
        try await value(
            .post("/bundles/\(Self.escape(name))/\(Self.escape(version))/yank", OperatorAPI.YankBundle(reason: reason)))
    }

    public func unyankBundle(_ name: String, version: String) async throws -> OperatorAPI.BundleView {
        try await value(.post("/bundles/\(Self.escape(name))/\(Self.escape(version))/unyank"))
    }

    /// Removes what nothing refers to, or says what would be removed.
    public func collectGarbage(dryRun: Bool) async throws -> OperatorAPI.GarbageView {
        var call = try Call.post("/garbage-collections", OperatorAPI.CollectGarbage(dryRun: dryRun))
        call.held = .seconds(600)
        return try await value(call)
    }

    /// The public key with which the control plane signs evidence.
    public func evidenceKey() async throws -> OperatorAPI.EvidenceKeyView { try await value(.get("/evidence-key")) }
}
