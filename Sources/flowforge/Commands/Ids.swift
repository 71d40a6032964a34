import FlowForgeClient
import FlowForgeProtocol

/// Parses an id that must be given whole.
func identifier<Entity>(_ text: String, of type: Entity.Type = Entity.self) throws -> ID<Entity> {
    guard let id = ID<Entity>(text) else {
        throw CommandError(
            .usage, "usage", "'\(text.prefix(80))' is not an id that begins with '\(Entity.prefix)_'",
            hint: "the list command shows the ids")
    }
    return id
}

func assetName(_ text: String) throws -> AssetName {
    guard let name = AssetName(text) else {
        throw CommandError(
            .usage, "usage", "'\(text.prefix(80))' is not the name of an asset",
            hint: "it reads bronze.TABLE, silver.TABLE or gold.TABLE; `flowforge asset list` shows them")
    }
    return name
}

extension Remote {
    /// A run by its id, by the unique beginning of one of the 500 newest, or `latest`.
    func run(named text: String) async throws -> ID<Run> {
        if let id = ID<Run>(text) { return id }
        if text == "latest" {
            guard let newest = try await client.runs(limit: 1).items.first else {
                throw CommandError(.notFound, .notFound, "there are no runs yet", hint: "flowforge run start FLOW --env ENV")
            }
            return newest.id
        }
        let runs = text.hasPrefix("run_") ? try await client.runs(limit: 500).items.map(\.id) : []
        return try choose(text, "run", among: runs.map { ($0, [$0.description]) }, list: "flowforge run list")
    }

    /// An agent by its id, the unique beginning of it, or its name.
    func agent(named text: String) async throws -> ID<Agent> {
        if let id = ID<Agent>(text) { return id }
        let agents = try await collect(limit: nil, all: true) { try await client.agents(after: $0, limit: $1) }.items
        let named = agents.filter { $0.name == text }
        if named.count == 1 { return named[0].id }
        // Names are reused when machines are: the one that is not revoked is meant.
        let alive = named.filter { $0.state != .revoked }
        if alive.count == 1 { return alive[0].id }
        return try choose(
            text, "agent", among: agents.map { ($0.id, [$0.id.description]) }, list: "flowforge agent list")
    }

    /// A backfill by its id, or by the unique beginning of one of the 500 newest.
    func backfill(named text: String) async throws -> ID<Backfill> {
        if let id = ID<Backfill>(text) { return id }
        let all = text.hasPrefix("bfl_") ? try await client.backfills(limit: 500).items.map(\.id) : []
        return try choose(text, "backfill", among: all.map { ($0, [$0.description]) }, list: "flowforge backfill list")
    }

    private func choose<Entity>(
        _ text: String, _ noun: String, among candidates: [(ID<Entity>, [String])], list: String
    ) throws -> ID<Entity> {
        let found = candidates.filter { $0.1.contains { $0.hasPrefix(text) } }
        guard !text.isEmpty, let first = found.first else {
            throw CommandError(.notFound, .notFound, "there is no \(noun) '\(text)'", hint: "`\(list)` shows their ids")
        }
        guard found.count == 1 else {
            throw CommandError(
                .usage, "ambiguous", "'\(text)' may mean \(found.count) \(noun)s",
                hint: "give more of the id; `\(list)` shows them")
        }
        return first.0
    }
}
