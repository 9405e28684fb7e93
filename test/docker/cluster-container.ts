/**
 * A container that is in exactly the networks it is told, under its own name, from its first moment on. Test support.
 *
 * GenericContainer puts a container with aliases into the engine's default network as well, and gives no address of the
 * caller's choice: a node that a test cuts off would still have a way out.
 */
import { GenericContainer } from 'testcontainers'
import { docker, TEST_LABELS } from './engine.ts'

/** How a container is reached in one network. */
export interface Endpoint {
  /** The network's name. */
  readonly network: string
  /** What others there call it. */
  readonly alias: string
  /** Its address; by default the engine chooses. */
  readonly address?: string
}

export class ClusterContainer extends GenericContainer {
  readonly #endpoints: readonly Endpoint[]

  constructor(image: string, endpoints: readonly Endpoint[]) {
    super(image)
    this.#endpoints = endpoints
    const [first] = endpoints
    if (first !== undefined) {
      this.networkMode = first.network
      this.createOpts.NetworkingConfig = {
        EndpointsConfig: {
          [first.network]: {
            Aliases: [first.alias],
            ...(first.address === undefined ? {} : { IPAMConfig: { IPv4Address: first.address } }),
          },
        },
      }
    }
    this.withLabels(TEST_LABELS)
  }

  protected override async containerCreated(id: string): Promise<void> {
    for (const endpoint of this.#endpoints.slice(1)) await connectTo(endpoint, id)
  }

  /** For a program that the image's own check knows nothing of. */
  withoutHealthCheck(): this {
    this.createOpts.Healthcheck = { Test: ['NONE'] }
    return this
  }

  /** A volume of this name at `path`; what the image has there is copied into it when it is new. */
  withVolume(name: string, path: string): this {
    this.hostConfig.Mounts = [
      ...(this.hostConfig.Mounts ?? []),
      {
        Type: 'volume',
        Source: name,
        Target: path,
        VolumeOptions: {
          NoCopy: false,
          Labels: TEST_LABELS,
          DriverConfig: { Name: 'local', Options: {} },
        },
      },
    ]
    return this
  }
}

/** `docker network connect`. */
export async function connectTo({ network, alias, address }: Endpoint, container: string): Promise<void> {
  const ip = address === undefined ? [] : ['--ip', address]
  await docker('network', 'connect', '--alias', alias, ...ip, network, container)
}

/** `docker network disconnect`: nobody there is told, packets just end. */
export async function disconnectFrom(network: string, container: string): Promise<void> {
  await docker('network', 'disconnect', '--force', network, container)
}
