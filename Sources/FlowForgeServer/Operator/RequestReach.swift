import FlowForgeProtocol

/// What a request touches, for tokens that are confined: where its environments are named, and what it does
/// besides looking.
struct RequestReach: Sendable {
    enum Place: Sendable {
        /// Of no environment, and open to every token: bundles, oneself.
        case common
        /// Of every environment, or of the whole control plane: closed to tokens of some environments.
        case everywhere
        /// A part of the path.
        case path
        /// The path, and members of the body.
        case pathAndBody
        /// Members of the body: `environment`, `source`, and `plan`, which has one.
        case body
        /// The parameter `environment`, which such a token must give.
        case query
        /// Something that is named by its id in the path.
        case plan, promotion, run, trigger, backfill
    }

    let place: Place
    /// Absent: it only looks.
    let action: TokenAction?

    init(_ place: Place, _ action: TokenAction? = nil) {
        self.place = place
        self.action = action
    }

    /// Of a route below the base path. One that is not listed here is closed to every confined token; a test goes
    /// through the OpenAPI document and finds it.
    static func of(_ method: String, _ path: String) -> RequestReach {
        // The router prints captures in braces.
        let path = path.drop { $0 == "/" }.replacing("{", with: ":").replacing("}", with: "")
        return table["\(method) \(path)"] ?? RequestReach(.everywhere, .manage)
    }

    static let table: [String: RequestReach] = governance.merging(releasing) { $1 }.merging(running) { $1 }

    private static let governance: [String: RequestReach] = [
        "GET openapi.json": .init(.common), "GET whoami": .init(.common), "GET evidence-key": .init(.common),
        "GET tokens": .init(.common), "POST tokens": .init(.common, .manage), "DELETE tokens/:id": .init(.common),
        "GET organisations": .init(.everywhere), "POST organisations": .init(.everywhere, .manage),
        "GET projects": .init(.everywhere), "POST projects": .init(.everywhere, .manage),
        "GET principals": .init(.everywhere), "POST principals": .init(.everywhere, .manage),
        "DELETE principals/:id": .init(.everywhere, .manage), "GET audit": .init(.everywhere),
        "GET join-tokens": .init(.everywhere), "POST join-tokens": .init(.everywhere, .manage),
        "DELETE join-tokens/:id": .init(.everywhere, .manage), "GET agents": .init(.everywhere),
        "GET agents/:agent": .init(.everywhere), "POST agents/:agent/drain": .init(.everywhere, .manage),
        "POST agents/:agent/resume": .init(.everywhere, .manage), "POST agents/:agent/revoke": .init(.everywhere, .manage),
        "GET limits": .init(.everywhere), "PUT limits/:key": .init(.everywhere, .manage),
        "DELETE limits/:key": .init(.everywhere, .manage), "GET backups": .init(.everywhere),
        "POST backups": .init(.everywhere, .manage), "GET retention": .init(.everywhere),
        "POST garbage-collections": .init(.everywhere, .manage),
    ]

    private static let releasing: [String: RequestReach] = [
        "HEAD blobs/:digest": .init(.common), "GET blobs/:digest": .init(.common), "PUT blobs/:digest": .init(.common, .push),
        "GET bundles": .init(.common), "POST bundles": .init(.common, .push), "GET bundles/:bundle": .init(.common),
        "GET bundles/:bundle/:version": .init(.common), "GET bundles/:bundle/referrers": .init(.common),
        "POST bundles/:bundle/referrers": .init(.common, .push),
        "POST bundles/:bundle/:version/yank": .init(.everywhere, .push),
        "POST bundles/:bundle/:version/unyank": .init(.everywhere, .push),
        "GET environments": .init(.everywhere), "POST environments": .init(.everywhere, .manage),
        "GET environments/:environment": .init(.path), "PUT environments/:environment": .init(.path, .manage),
        "PUT environments/:environment/overrides/:variable": .init(.path, .manage),
        "DELETE environments/:environment/overrides/:variable": .init(.path, .manage),
        "GET environments/:environment/releases": .init(.path), "POST environments/:environment/releases": .init(.path, .deploy),
        "GET environments/:environment/gates/:gate/secret": .init(.path, .manage),
        "POST environments/:environment/plans": .init(.pathAndBody, .plan), "GET plans": .init(.query),
        "GET plans/:digest": .init(.plan), "POST plans/:digest/approvals": .init(.plan, .approve),
        "POST plans/:digest/gates/:gate/override": .init(.plan, .approve),
        "POST plans/:digest/gates/:gate/answer": .init(.plan, .approve), "POST promotions": .init(.body, .promote),
        "GET promotions": .init(.query), "GET promotions/:promotion": .init(.promotion),
        "POST promotions/:promotion/cancel": .init(.promotion, .promote),
        "GET environments/:environment/drift": .init(.path), "POST environments/:environment/drift": .init(.path, .plan),
        "POST environments/:environment/drift/:finding/adopt": .init(.path, .manage),
        "POST environments/:environment/drift/:finding/revert": .init(.path, .manage),
        "PUT environments/:environment/drift/:finding/suppression": .init(.path, .manage),
        "DELETE environments/:environment/drift/:finding/suppression": .init(.path, .manage),
    ]

    private static let running: [String: RequestReach] = [
        "GET runs": .init(.query), "POST runs": .init(.body, .run), "GET runs/:run": .init(.run),
        "POST runs/:run/cancel": .init(.run, .run), "POST runs/:run/rerun": .init(.run, .run), "GET runs/:run/logs": .init(.run),
        "GET runs/:run/lineage-events": .init(.run), "GET environments/:environment/flows": .init(.path),
        "POST environments/:environment/flows/:flow/pause": .init(.path, .run),
        "POST environments/:environment/flows/:flow/resume": .init(.path, .run), "GET triggers": .init(.query),
        "GET triggers/:trigger": .init(.trigger), "GET triggers/:trigger/ticks": .init(.trigger),
        "GET triggers/:trigger/preview": .init(.trigger), "POST triggers/:trigger/pause": .init(.trigger, .run),
        "POST triggers/:trigger/resume": .init(.trigger, .run), "POST triggers/:trigger/fire": .init(.trigger, .run),
        "POST triggers/:trigger/secret": .init(.trigger, .manage), "GET backfills": .init(.query),
        "POST backfills": .init(.body, .run), "GET backfills/:backfill": .init(.backfill),
        "GET backfills/:backfill/ticks": .init(.backfill), "POST backfills/:backfill/cancel": .init(.backfill, .run),
        "GET assets": .init(.query), "GET assets/:asset": .init(.query), "GET lineage": .init(.query),
    ]
}
