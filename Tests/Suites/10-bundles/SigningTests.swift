import Foundation
import Testing

/// Keys, signatures and who refuses what, with the programs themselves.
@Suite(.timeLimit(.minutes(4))) struct SigningTests {
    private static let flowforge = Checkout.programs.appending(path: "flowforge").path

    private func key(_ name: String, in folder: URL, type: String = "ed25519") async throws -> String {
        let file = folder.appending(path: name).path
        let made = try await execute(Self.flowforge, ["key", "generate", "--type", type, "-o", file])
        try #require(made.status == 0, "\(made)")
        return file
    }

    @Test func `a layout is signed and verified without a control plane`() async throws {
        try await withTemporaryFolder { folder in
            let (ours, other) = (try await key("ours", in: folder), try await key("other", in: folder, type: "p256"))
            let layout = folder.appending(path: "layout").path
            let example = Checkout.root.appending(path: "Examples/nyc-flights").path
            func flowforge(_ arguments: String..., environment: [String: String] = [:]) async throws -> CommandResult {
                try await execute(Self.flowforge, arguments, environment: environment)
            }
            #expect(try await flowforge("bundle", "build", example, "-o", layout).status == 0)
            let unsigned = try await flowforge("bundle", "verify", layout, "--key", ours + ".pub")
            #expect(unsigned.status == 1 && unsigned.errors.contains("is not signed"), "\(unsigned)")
            let signed = try await flowforge(
                "bundle", "sign", layout, "--key", ours, "--source", example, "--builder-id", "https://ci.example.com")
            #expect(signed.status == 0, "\(signed)")
            let good = try await flowforge("bundle", "verify", layout, "--key", ours + ".pub", "--json")
            #expect(good.status == 0 && good.output.contains("https://ci.example.com"), "\(good)")
            #expect(good.output.contains("gitCommit"))
            let untrusted = try await flowforge("bundle", "verify", layout, "--key", other + ".pub", "--json")
            #expect(untrusted.status == 1 && untrusted.errors.contains("untrusted_signature"), "\(untrusted)")
            // The key's text itself, as CI systems hand it over.
            let text = try String(contentsOfFile: other, encoding: .utf8)
            let second = try await flowforge("bundle", "sign", layout, environment: ["FLOWFORGE_SIGNING_KEY": text])
            #expect(second.status == 0, "\(second)")
            #expect(try await flowforge("bundle", "verify", layout, "--key", other + ".pub").status == 0)
            let none = try await flowforge("bundle", "sign", layout)
            #expect(none.status == 2 && none.errors.contains("no key to sign with"), "\(none)")
            let again = try await flowforge("key", "generate", "-o", ours)
            #expect(again.status == 1 && again.errors.contains("there already"), "\(again)")
            let shown = try await flowforge("key", "show", folder.path)
            #expect(shown.output.contains("ours") && shown.output.contains("p256"), "\(shown)")
            chmod(other, 0o644)
            #expect(try await flowforge("bundle", "sign", layout, "--key", other).errors.contains("chmod 600"))
        }
    }

    @Test func `an unsigned bundle is neither registered nor run, whoever forgot to ask`() async throws {
        let example = Checkout.root.appending(path: "Examples/nyc-flights").path
        try await Installation.up(configuration: { folder in
            let file = folder.appending(path: "plane").path
            let made = try await execute(Self.flowforge, ["key", "generate", "-o", file])
            try #require(made.status == 0, "\(made)")
            return "signatures: {keys: [\(file).pub], required: true}\n"
        }) { it in
            let plane = it.folder.appending(path: "plane").path
            let owner = try await key("owner", in: it.folder)
            let refused = try await it.flowforge("bundle", "push", example, "--json")
            #expect(refused.status == 1 && refused.errors.contains("unsigned_bundle"), "\(refused)")
            #expect(
                try await it.flowforge("bundle", "push", example, "--key", owner, "--json").errors.contains("untrusted_signature")
            )
            #expect(try await it.mustFlowforge("bundle", "list", "--json").output.contains(#""items":[]"#))
            try await it.mustFlowforge("bundle", "push", example, "--key", plane)
            let shown = try await it.mustFlowforge("bundle", "show", "nyc-flights@1.0.0")
            #expect(shown.output.contains("by plane ("), "\(shown)")
            try await it.mustFlowforge("bundle", "verify", "nyc-flights@1.0.0", "--key", plane + ".pub")
            #expect(try await it.flowforge("bundle", "verify", "nyc-flights@1.0.0", "--key", owner + ".pub").status == 1)
            // The statement travels along.
            let layout = it.folder.appending(path: "layout").path
            try await it.mustFlowforge("bundle", "pull", "nyc-flights@1.0.0", "-o", layout)
            try await it.mustFlowforge("bundle", "verify", layout, "--key", plane + ".pub")
            let evidence = try await it.mustFlowforge("key", "evidence")
            #expect(evidence.output.hasPrefix("-----BEGIN PUBLIC KEY-----"), "\(evidence)")

            // The agent's owner trusts another key than the control plane does.
            try await it.mustFlowforge("env", "create", "dev", "--pool", "local", "--var", "raw_dir=\(Checkout.rawFlights.path)")
            try await it.mustFlowforge("deploy", "nyc-flights@1.0.0", "--env", "dev")
            try await it.withAgent(configuration: "signatures: {keys: [\(owner).pub]}") {
                let run = try await it.flowforge("run", "start", "medallion", "--env", "dev", "--watch")
                #expect(run.status == 1, "\(run)")
                let told = try await it.mustFlowforge("run", "show", "latest", "--json")
                #expect(told.output.contains("untrusted_bundle"), "\(told)")
            }
        }
    }
}
