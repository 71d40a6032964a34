internal import FlowForgeBundle
internal import FlowForgeDomain
internal import FlowForgeProtocol
internal import FlowForgeStore
internal import Foundation

/// What a bundle changes against what is released: the part of a plan that follows from the two bundles alone.
struct PlanDraft: Sendable {
    var changes: [PlanChange]
    /// Tables to make again, and why; before what history says of them.
    var recompute: [Recompute]

    /// `former` is absent where nothing is released.
    init(from former: PackedBundle?, to bundle: PackedBundle) {
        guard let former else {
            changes = Self.everything(in: bundle.manifest)
            recompute = Self.recompute(bundle.manifest, changed: [], added: bundle.manifest.outputs)
            return
        }
        changes = former.digest == bundle.digest ? [] : BundleDiff(former, bundle).changes.map(PlanChange.init)
        let (touched, added) = Self.touched(by: changes, in: bundle.manifest, before: former.manifest)
        recompute = Self.recompute(bundle.manifest, changed: touched, added: added)
    }

    private static func everything(in manifest: Manifest) -> [PlanChange] {
        var changes = manifest.outputs.sorted().map {
            PlanChange(subject: "asset", name: "\($0)", action: "added", impact: .nonBreaking)
        }
        for flow in manifest.flows {
            changes.append(PlanChange(subject: "flow", name: flow.name, action: "added", impact: .nonBreaking))
            for trigger in flow.triggers ?? [] {
                changes.append(
                    PlanChange(subject: "trigger", name: "\(flow.name).\(trigger.name)", action: "added", impact: .nonBreaking))
            }
        }
        return changes
    }

    /// Fields of a task that say what its table holds; the others say how and when it is made.
    private static let meaning: Set<String> = ["query", "source", "command", "inputs", "engine", "layer"]

    private static func touched(
        by changes: [PlanChange], in manifest: Manifest, before: Manifest
    ) -> (changed: Set<AssetName>, added: Set<AssetName>) {
        var outputs: [String: AssetName] = [:]
        var commands: Set<AssetName> = []
        for flow in manifest.flows {
            for task in flow.tasks {
                guard let output = task.output else { continue }
                outputs["\(flow.name).\(task.name)"] = output
                if task.command != nil { commands.insert(output) }
            }
        }
        let added = manifest.outputs.subtracting(before.outputs)
        var changed: Set<AssetName> = []
        for change in changes where change.action != "removed" {
            switch change.subject {
            case "task" where change.fields.contains { meaning.contains($0.name) }:
                if let output = outputs[change.name] { changed.insert(output) }
            case "asset" where change.action == "changed":
                if let asset = AssetName(change.name) { changed.insert(asset) }
            case "column" where change.impact > .metadata:
                let parts = change.name.split(separator: ".", maxSplits: 2)
                if parts.count == 3, let asset = AssetName("\(parts[0]).\(parts[1])"), outputs.values.contains(asset) {
                    changed.insert(asset)
                }
            // Which program reads which file is not known.
            case "file", "package": changed.formUnion(commands)
            default: break
            }
        }
        return (changed.subtracting(added), added)
    }

    /// With everything below, by name.
    private static func recompute(_ manifest: Manifest, changed: Set<AssetName>, added: Set<AssetName>) -> [Recompute] {
        var reasons: [AssetName: Recompute.Reason] = [:]
        for asset in changed { reasons[asset] = .changed }
        for asset in added { reasons[asset] = .added }
        let tasks = manifest.flows.flatMap { flow in flow.tasks.map { (flow: flow.name, task: $0) } }
        var readers: [AssetName: [AssetName]] = [:]
        for (_, task) in tasks {
            guard let output = task.output else { continue }
            for input in task.inputs where input != output { readers[input, default: []].append(output) }
        }
        var open = Array(reasons.keys)
        while let asset = open.popLast() {
            for reader in readers[asset] ?? [] where reasons[reader] == nil {
                reasons[reader] = .upstream
                open.append(reader)
            }
        }
        return tasks.compactMap { flow, task in
            task.output.flatMap { output in reasons[output].map { Recompute(asset: output, flow: flow, reason: $0) } }
        }.sorted { $0.asset < $1.asset }
    }
}

extension PlanChange {
    init(_ change: BundleDiff.Change) {
        self.init(
            subject: change.subject.rawValue, name: change.name, action: change.action.rawValue,
            impact: change.impact,
            fields: change.fields.map { .init(name: $0.name, before: $0.before, after: $0.after) })
    }
}
