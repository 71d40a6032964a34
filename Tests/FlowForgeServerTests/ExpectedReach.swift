import FlowForgeProtocol

@testable import FlowForgeServer

/// What each route of the operator API touches and does, decided here a second time, by hand: whoever changes a row
/// of RequestReach.swift changes what tokens may do, and has to say so here too.
struct ExpectedReach {
    let place: RequestReach.Place
    /// Absent: it only looks.
    let action: TokenAction?
    let routes: [String]

    private init(_ place: RequestReach.Place, _ action: TokenAction?, _ routes: [String]) {
        (self.place, self.action, self.routes) = (place, action, routes)
    }

    /// Open to tokens of any environment, since they are of none.
    private static let common: [ExpectedReach] = [
        ExpectedReach(
            .common, nil,
            [
                "GET openapi.json", "GET whoami", "GET evidence-key", "GET tokens", "DELETE tokens/:id", "HEAD blobs/:digest",
                "GET blobs/:digest", "GET bundles", "GET bundles/:bundle", "GET bundles/:bundle/:version",
                "GET bundles/:bundle/referrers",
            ]),
        ExpectedReach(.common, .manage, ["POST tokens"]),
        ExpectedReach(.common, .push, ["PUT blobs/:digest", "POST bundles", "POST bundles/:bundle/referrers"]),
    ]

    /// Closed to tokens of some environments.
    private static let everywhere: [ExpectedReach] = [
        ExpectedReach(
            .everywhere, nil,
            [
                "GET organisations", "GET projects", "GET principals", "GET audit", "GET join-tokens", "GET agents",
                "GET agents/:agent", "GET limits", "GET backups", "GET retention", "GET environments",
            ]),
        ExpectedReach(
            .everywhere, .manage,
            [
                "POST organisations", "POST projects", "POST principals", "DELETE principals/:id", "POST join-tokens",
                "DELETE join-tokens/:id", "POST agents/:agent/drain", "POST agents/:agent/resume",
                "POST agents/:agent/revoke", "PUT limits/:key", "DELETE limits/:key", "POST backups",
                "POST garbage-collections", "POST environments",
            ]),
        ExpectedReach(
            .everywhere, .push, ["POST bundles/:bundle/:version/yank", "POST bundles/:bundle/:version/unyank"]),
    ]

    private static let ofPath: [ExpectedReach] = [
        ExpectedReach(
            .path, nil,
            [
                "GET environments/:environment", "GET environments/:environment/releases",
                "GET environments/:environment/drift", "GET environments/:environment/flows",
            ]),
        ExpectedReach(
            .path, .manage,
            [
                "PUT environments/:environment", "PUT environments/:environment/overrides/:variable",
                "DELETE environments/:environment/overrides/:variable",
                "GET environments/:environment/gates/:gate/secret",
                "POST environments/:environment/drift/:finding/adopt",
                "POST environments/:environment/drift/:finding/revert",
                "PUT environments/:environment/drift/:finding/suppression",
                "DELETE environments/:environment/drift/:finding/suppression",
            ]),
        ExpectedReach(.path, .deploy, ["POST environments/:environment/releases"]),
        ExpectedReach(.path, .plan, ["POST environments/:environment/drift"]),
        ExpectedReach(
            .path, .run,
            [
                "POST environments/:environment/flows/:flow/pause", "POST environments/:environment/flows/:flow/resume",
            ]),
        ExpectedReach(.pathAndBody, .plan, ["POST environments/:environment/plans"]),
    ]

    private static let ofBodyAndQuery: [ExpectedReach] = [
        ExpectedReach(.body, .promote, ["POST promotions"]),
        ExpectedReach(.body, .run, ["POST runs", "POST backfills"]),
        ExpectedReach(
            .query, nil,
            [
                "GET plans", "GET promotions", "GET runs", "GET triggers", "GET backfills", "GET assets",
                "GET assets/:asset", "GET lineage",
            ]),
    ]

    private static let ofIds: [ExpectedReach] = [
        ExpectedReach(.plan, nil, ["GET plans/:digest"]),
        ExpectedReach(
            .plan, .approve,
            [
                "POST plans/:digest/approvals", "POST plans/:digest/gates/:gate/override",
                "POST plans/:digest/gates/:gate/answer",
            ]),
        ExpectedReach(.promotion, nil, ["GET promotions/:promotion"]),
        ExpectedReach(.promotion, .promote, ["POST promotions/:promotion/cancel"]),
        ExpectedReach(.run, nil, ["GET runs/:run", "GET runs/:run/logs", "GET runs/:run/lineage-events"]),
        ExpectedReach(.run, .run, ["POST runs/:run/cancel", "POST runs/:run/rerun"]),
        ExpectedReach(
            .trigger, nil, ["GET triggers/:trigger", "GET triggers/:trigger/ticks", "GET triggers/:trigger/preview"]),
        ExpectedReach(
            .trigger, .run,
            ["POST triggers/:trigger/pause", "POST triggers/:trigger/resume", "POST triggers/:trigger/fire"]),
        ExpectedReach(.trigger, .manage, ["POST triggers/:trigger/secret"]),
        ExpectedReach(.backfill, nil, ["GET backfills/:backfill", "GET backfills/:backfill/ticks"]),
        ExpectedReach(.backfill, .run, ["POST backfills/:backfill/cancel"]),
    ]

    static let all: [ExpectedReach] = common + everywhere + ofPath + ofBodyAndQuery + ofIds

    /// By route; the first of those that are listed twice.
    static let byRoute: [String: ExpectedReach] = all.reduce(into: [:]) { found, expected in
        for route in expected.routes where found[route] == nil { found[route] = expected }
    }
}
