// swift-tools-version: 6.2
import PackageDescription

/// Settings of every Swift target: the strict import rules that docs/architecture.md explains,
/// and no warnings.
let house: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

let collections = Target.Dependency.product(name: "HeapModule", package: "swift-collections")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let httpClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let hummingbirdCore = Target.Dependency.product(name: "HummingbirdCore", package: "hummingbird")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioTLS = Target.Dependency.product(name: "NIOTLS", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let parser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let subprocess = Target.Dependency.product(name: "Subprocess", package: "swift-subprocess")
let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let x509 = Target.Dependency.product(name: "X509", package: "swift-certificates")
let asn1 = Target.Dependency.product(name: "SwiftASN1", package: "swift-asn1")

/// A library target; `needs` are our own targets that it may import (docs/architecture.md),
/// `uses` are products of other packages.
func room(_ name: String, needs: [String] = [], uses: [Target.Dependency] = [], resources: [Resource]? = nil) -> Target {
    .target(
        name: name, dependencies: needs.map { .byName(name: $0) } + uses, resources: resources, swiftSettings: house)
}

func program(_ name: String, needs: [String], uses: [Target.Dependency]) -> Target {
    .executableTarget(name: name, dependencies: needs.map { .byName(name: $0) } + uses, swiftSettings: house)
}

/// `scripts` are the Python files that its tests run.
func tests(_ name: String, needs: [String], uses: [Target.Dependency] = [], scripts: [String] = []) -> Target {
    .testTarget(
        name: name, dependencies: needs.map { .byName(name: $0) } + uses, exclude: scripts, swiftSettings: house)
}

let package = Package(
    name: "FlowForge",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "flowforged", targets: ["flowforged"]),
        .executable(name: "flowforge-agent", targets: ["flowforge-agent"]),
        .executable(name: "flowforge", targets: ["flowforge"]),
        .executable(name: "flowforge-launch", targets: ["flowforge-launch"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: ["FullFoundation"]),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
    ],
    targets: [
        room("FlowForgeProtocol"),
        room("FlowForgeDomain", needs: ["FlowForgeProtocol"], uses: [collections]),
        room(
            "FlowForgeBundle", needs: ["FlowForgeDomain", "FlowForgeProtocol"],
            uses: [crypto, .product(name: "Yams", package: "Yams")]),
        room(
            "FlowForgeStore", needs: ["FlowForgeBundle", "FlowForgeDomain", "FlowForgeProtocol"],
            uses: [crypto, lifecycle, logging, .product(name: "GRDB", package: "GRDB.swift")]),
        room(
            "FlowForgeOrchestration", needs: ["FlowForgeStore", "FlowForgeBundle", "FlowForgeDomain", "FlowForgeProtocol"],
            uses: [crypto, lifecycle, logging]),
        room(
            "FlowForgeFleet", needs: ["FlowForgeStore", "FlowForgeDomain", "FlowForgeProtocol"],
            uses: [asn1, crypto, lifecycle, logging, x509]),
        room(
            "FlowForgeReleases", needs: ["FlowForgeStore", "FlowForgeBundle", "FlowForgeDomain", "FlowForgeProtocol"],
            uses: [crypto, lifecycle, logging]),
        room("FlowForgeCatalog", needs: ["FlowForgeStore", "FlowForgeDomain", "FlowForgeProtocol"], uses: [logging]),
        room(
            "FlowForgeGovernance", needs: ["FlowForgeStore", "FlowForgeDomain", "FlowForgeProtocol"],
            uses: [crypto, logging]),
        room(
            "FlowForgeIntegrations", needs: ["FlowForgeStore", "FlowForgeDomain", "FlowForgeProtocol"],
            uses: [crypto, httpClient, lifecycle, logging, nioCore, nioHTTP1]),
        room(
            "FlowForgeServer",
            needs: [
                "FlowForgeOrchestration", "FlowForgeFleet", "FlowForgeReleases", "FlowForgeCatalog",
                "FlowForgeGovernance", "FlowForgeIntegrations", "FlowForgeStore", "FlowForgeBundle", "FlowForgeDomain",
                "FlowForgeProtocol",
            ],
            uses: [hummingbird, hummingbirdCore, lifecycle, logging, nioCore, nioHTTP1, nioSSL, nioTLS],
            resources: [.embedInCode("Resources/openapi.json")]),
        room(
            "FlowForgeClient", needs: ["FlowForgeProtocol"],
            uses: [crypto, httpClient, nioCore, nioHTTP1, nioPosix, nioSSL]),
        room(
            "FlowForgeAgentCore", needs: ["FlowForgeBundle", "FlowForgeDomain", "FlowForgeProtocol"],
            uses: [
                asn1, crypto, httpClient, lifecycle, logging, nioCore, nioHTTP1, nioPosix, nioSSL, subprocess, system, x509,
            ]),
        program(
            "flowforged",
            needs: [
                "FlowForgeServer", "FlowForgeOrchestration", "FlowForgeFleet", "FlowForgeReleases", "FlowForgeCatalog",
                "FlowForgeGovernance", "FlowForgeStore", "FlowForgeBundle", "FlowForgeDomain", "FlowForgeProtocol",
            ],
            uses: [lifecycle, logging, parser, .product(name: "UnixSignals", package: "swift-service-lifecycle")]),
        program(
            "flowforge-agent", needs: ["FlowForgeAgentCore", "FlowForgeBundle", "FlowForgeDomain", "FlowForgeProtocol"],
            uses: [lifecycle, logging, parser]),
        program(
            "flowforge", needs: ["FlowForgeClient", "FlowForgeBundle", "FlowForgeDomain", "FlowForgeProtocol"],
            uses: [parser, subprocess, system, .product(name: "Yams", package: "Yams")]),
        // In C, and started before each task: what the Swift runtime costs at a program's start is not for it.
        .executableTarget(
            name: "flowforge-launch",
            linkerSettings: [.unsafeFlags(["-nostartfiles", "-static-executable"])]),
        .executableTarget(
            name: "fleet-load",
            dependencies: ["FlowForgeProtocol", nioCore, nioPosix, nioSSL, nioTLS, crypto, x509, asn1, parser],
            path: "Benchmarks/FleetLoad", swiftSettings: house),

        room("FlowForgeTestValues", needs: ["FlowForgeProtocol"]),
        room(
            "FlowForgeTestSupport",
            needs: [
                "FlowForgeServer", "FlowForgeOrchestration", "FlowForgeFleet", "FlowForgeReleases", "FlowForgeCatalog",
                "FlowForgeGovernance", "FlowForgeStore", "FlowForgeBundle", "FlowForgeClient", "FlowForgeAgentCore",
                "FlowForgeDomain", "FlowForgeProtocol",
            ],
            uses: [asn1, crypto, httpClient, lifecycle, logging, nioCore, nioHTTP1, nioSSL, subprocess, system, x509]),
        tests("FlowForgeProtocolTests", needs: ["FlowForgeProtocol"]),
        tests(
            "FlowForgeDomainTests", needs: ["FlowForgeTestValues", "FlowForgeDomain", "FlowForgeProtocol"],
            uses: [subprocess, system],
            scripts: ["Schedules/golden.py", "Schedules/dst.golden"]),
        tests(
            "FlowForgeBundleTests", needs: ["FlowForgeTestValues", "FlowForgeBundle", "FlowForgeDomain", "FlowForgeProtocol"],
            uses: [subprocess, system], scripts: ["validate_schema.py", "Signing/dsse.py"]),
        tests(
            "FlowForgeStoreTests", needs: ["FlowForgeStore", "FlowForgeBundle", "FlowForgeDomain", "FlowForgeProtocol"],
            uses: [.product(name: "GRDB", package: "GRDB.swift")]),
        tests(
            "FlowForgeOrchestrationTests",
            needs: [
                "FlowForgeOrchestration", "FlowForgeReleases", "FlowForgeCatalog", "FlowForgeStore", "FlowForgeBundle",
                "FlowForgeDomain", "FlowForgeProtocol", "FlowForgeTestValues",
            ], uses: [crypto, logging]),
        tests(
            "FlowForgeFleetTests",
            needs: ["FlowForgeFleet", "FlowForgeTestSupport", "FlowForgeStore", "FlowForgeDomain", "FlowForgeProtocol"],
            uses: [crypto, logging, x509, asn1]),
        tests(
            "FlowForgeIntegrationsTests",
            needs: [
                "FlowForgeIntegrations", "FlowForgeReleases", "FlowForgeStore", "FlowForgeBundle", "FlowForgeDomain",
                "FlowForgeProtocol", "FlowForgeTestValues",
            ], uses: [crypto, httpClient, hummingbird, lifecycle, logging, nioCore]),
        tests(
            "FlowForgeReleasesTests",
            needs: [
                "FlowForgeReleases", "FlowForgeStore", "FlowForgeBundle", "FlowForgeDomain", "FlowForgeProtocol",
                "FlowForgeTestValues",
            ],
            uses: [logging]),
        tests(
            "FlowForgeServerTests",
            needs: [
                "FlowForgeServer", "FlowForgeTestSupport", "FlowForgeClient", "FlowForgeOrchestration", "FlowForgeFleet",
                "FlowForgeGovernance", "FlowForgeStore", "FlowForgeProtocol", "FlowForgeBundle", "FlowForgeDomain",
            ],
            uses: [
                crypto, httpClient, hummingbird, lifecycle, logging, nioCore, nioHTTP1, nioPosix, nioSSL, subprocess, system,
                x509, asn1,
            ]),
        tests(
            "FlowForgeAgentCoreTests",
            needs: ["FlowForgeAgentCore", "FlowForgeTestSupport", "FlowForgeBundle", "FlowForgeDomain", "FlowForgeProtocol"],
            uses: [crypto, httpClient, lifecycle, logging, nioCore, nioHTTP1, nioPosix, nioSSL, subprocess, system, x509],
            scripts: ["Lineage/sqlglot_lineage.py", "Lineage/validate_events.py", "Credentials/moto_secrets.py"]),
        tests(
            "FlowForgeClientTests",
            needs: ["FlowForgeClient", "flowforge", "FlowForgeBundle", "FlowForgeDomain", "FlowForgeProtocol"],
            uses: [asn1, crypto, nioCore, nioHTTP1, nioPosix, nioSSL, parser, subprocess, system, x509]),
        tests(
            "Simulation",
            needs: [
                "FlowForgeOrchestration", "FlowForgeAgentCore", "FlowForgeCatalog", "FlowForgeStore", "FlowForgeBundle",
                "FlowForgeDomain", "FlowForgeProtocol", "FlowForgeTestSupport", "FlowForgeTestValues",
            ], uses: [logging, .product(name: "GRDB", package: "GRDB.swift")]),
        tests("ArchitectureTests", needs: []),
        tests(
            "Suites",
            needs: [
                "FlowForgeTestSupport", "FlowForgeServer", "FlowForgeStore", "FlowForgeClient", "FlowForgeBundle",
                "FlowForgeDomain", "FlowForgeProtocol",
            ],
            uses: [subprocess, system],
            scripts: [
                "01-medallion/verify_nyc.py", "02-privacy/recorder.py", "05-control-plane/disk.c", "05-control-plane/disk.py",
                "11-gitops/platform.py",
            ]),
    ],
    swiftLanguageModes: [.v6]
)
