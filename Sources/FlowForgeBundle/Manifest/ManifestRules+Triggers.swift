public import FlowForgeDomain
internal import FlowForgeProtocol

extension ManifestRules {
    /// What must hold between the triggers and the rest of the manifest.
    mutating func checkTriggers() {
        for flow in manifest.flows {
            for trigger in flow.triggers ?? [] { check(trigger, of: flow) }
        }
        checkTriggerCycle()
    }

    private mutating func check(_ trigger: TriggerSpec, of flow: FlowSpec) {
        let place = ManifestReader.Place.triggerPart(flow.name, trigger.name)
        if let upstream = trigger.upstream, (upstream.bundle ?? manifest.name) == manifest.name,
            manifest.flow(upstream.flow) == nil
        {
            let near = nearest(upstream.flow, among: manifest.flows.map(\.name))
            report(
                "the bundle has no flow '\(upstream.flow)'",
                hint: near.map { "did you mean '\($0)'?" } ?? "name a flow of this bundle, or its 'bundle' too", at: place)
        }
        if let asset = trigger.asset?.name, !outputs.contains(asset), !manifest.external.contains(asset) {
            let near = nearest(asset.description, among: (Array(outputs) + manifest.external).map(\.description))
            report(
                "no task of the bundle writes \(asset)",
                hint: near.map { "did you mean \($0)?" } ?? "list it under 'external' if another bundle writes it", at: place)
        }
        if let file = trigger.file { check(file, at: place) }
        checkParameters(of: trigger, of: flow, at: place)
    }

    private mutating func check(_ file: FileArrivalSpec, at place: ManifestReader.Place) {
        do throws(Template.Fault) {
            for part in try Template(file.path).parts {
                switch part {
                case .literal: break
                case .parameter(let name):
                    report(
                        "the path of a file trigger names parameter '\(name)'",
                        hint: "there is no run yet that could have one; use a variable of the environment", at: place)
                case .variable(let name):
                    if !manifest.variables.contains(where: { $0.name == name }) {
                        report(
                            "there is no variable '\(name)'",
                            hint: nearest(name, among: manifest.variables.map(\.name)).map { "did you mean '\($0)'?" }
                                ?? "declare it under 'variables'", at: place)
                    }
                }
            }
        } catch {
            report(error.description, hint: error.hint ?? "correct it", at: place)
        }
    }

    /// Each value is one of a parameter's; each parameter gets one, as nobody is there to give it.
    private mutating func checkParameters(of trigger: TriggerSpec, of flow: FlowSpec, at place: ManifestReader.Place) {
        let specs = Dictionary(manifest.parameters.map { ($0.name, $0) }) { first, _ in first }
        for (name, value) in trigger.parameters.sorted(by: { $0.key < $1.key }) {
            let place = ManifestReader.Place.triggerParameter(flow.name, trigger.name, name)
            guard let spec = specs[name] else {
                report(
                    "there is no parameter '\(name.prefix(80))'",
                    hint: nearest(name, among: specs.keys.sorted()).map { "did you mean '\($0)'?" }
                        ?? "declare it under 'parameters'", at: place)
                continue
            }
            if spec.type.converting(value) == nil {
                report("parameter '\(name)' must be \(spec.type.form)", hint: "correct the value", at: place)
            }
        }
        let fromBody = trigger.webhook?.parameters ?? []
        for name in fromBody where specs[name] == nil {
            report(
                "there is no parameter '\(name.prefix(80))'", hint: "a webhook may set parameters that the bundle declares",
                at: place)
        }
        for spec in manifest.parameters
        where spec.defaultValue == nil && trigger.parameters[spec.name] == nil && !fromBody.contains(spec.name) {
            report(
                "trigger '\(trigger.name)' gives parameter '\(spec.name)' no value, and it has no default",
                hint: "add it to the trigger's 'parameters', or give it a default", at: place)
        }
    }

    /// Flows of this bundle; deploying looks at those of the whole environment.
    private mutating func checkTriggerCycle() {
        guard let cycle = manifest.triggerGraph().cycle(), let first = cycle.first else { return }
        report(
            "flows start each other for ever: \(cycle.arrows)", hint: "remove one of these triggers",
            at: .triggerPart(first.to.name, first.trigger))
    }
}

extension Manifest {
    /// Which flows start which, as far as this bundle says.
    public func triggerGraph() -> TriggerGraph {
        var graph = TriggerGraph()
        addTriggers(to: &graph)
        return graph
    }

    /// Adds what the bundle's flows write and wait for.
    public func addTriggers(to graph: inout TriggerGraph) {
        for flow in flows {
            let node = TriggerGraph.Flow(bundle: name, name: flow.name)
            for output in flow.tasks.compactMap(\.output) { graph.writes(node, output) }
            for trigger in flow.triggers ?? [] {
                if let upstream = trigger.upstream {
                    graph.waits(
                        node, for: .init(bundle: upstream.bundle ?? name, name: upstream.flow), trigger: trigger.name)
                } else if let asset = trigger.asset {
                    graph.waits(node, for: asset.name, trigger: trigger.name)
                }
            }
        }
    }
}
