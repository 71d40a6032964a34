import FlowForgeProtocol
import FlowForgeReleases
import Testing

struct YankTests {
    @Test func `a yanked version is released nowhere anew, and what is released of it stays`() async throws {
        let fixture = try ReleasesFixture()
        for version in ["1.0.0", "1.1.0"] { try await fixture.push(try fixture.pack(version: version)) }
        for name in ["dev", "prod"] { try await fixture.createEnvironment(name) }
        #expect(try await fixture.deploy("demo@1.0.0").created)
        let view = try await fixture.registry.yank("demo", version: "1.0.0", reason: "loses rows", by: fixture.ann)
        #expect(view.yanked?.reason == "loses rows" && view.yanked?.by == "principal:ann")
        #expect(try await fixture.registry.list().items.map { $0.yanked != nil } == [false, true])
        let refused = await refusal { try await fixture.deploy("demo@1.0.0", to: "prod") }
        #expect(refused?.code == .bundleYanked)
        #expect(refused?.message.contains("loses rows") == true)
        #expect(try await !fixture.deploy("demo@1.0.0").created, "what is current is current")
        #expect(try await fixture.deploy("demo@1.1.0").created)
        #expect(await refusal { try await fixture.deploy("demo@1.0.0") }?.code == .bundleYanked)
        // A reason that changes is told, one that does not is no event.
        _ = try await fixture.registry.yank("demo", version: "1.0.0", reason: "loses late rows", by: fixture.ann)
        _ = try await fixture.registry.yank("demo", version: "1.0.0", reason: "loses late rows", by: fixture.ann)
        #expect(try await fixture.audit("bundle.yank").count == 2)
        #expect(try await fixture.registry.unyank("demo", version: "1.0.0", by: fixture.ann).yanked == nil)
        #expect(try await fixture.registry.unyank("demo", version: "1.0.0", by: fixture.ann).yanked == nil)
        #expect(try await fixture.audit("bundle.unyank").count == 1)
        #expect(try await fixture.deploy("demo@1.0.0").created)
    }

    @Test func `nothing is yanked without a reason, nor what is not there`() async throws {
        let fixture = try ReleasesFixture()
        try await fixture.push(try fixture.pack())
        for reason in ["", "   ", String(repeating: "x", count: 1001)] {
            #expect(
                await refusal { try await fixture.registry.yank("demo", version: "1.0.0", reason: reason, by: fixture.ann) }?.code
                    == .invalidRequest)
        }
        #expect(
            await refusal { try await fixture.registry.yank("demo", version: "2.0.0", reason: "x", by: fixture.ann) }?.code
                == .notFound)
        #expect(
            await refusal { try await fixture.registry.unyank("De mo", version: "2.0.0", by: fixture.ann) }?.code
                == .invalidRequest)
    }
}
