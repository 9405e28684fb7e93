/**
 * Runs once before all container tests and once after them: images are built, leftovers removed. Test support.
 */
import { engineAvailable, removeLeftovers } from './engine.ts'
import { buildImages } from './images.ts'

export async function setup(): Promise<void> {
  // Each test file says for itself that it is left out.
  if (engineAvailable() !== true) return
  await removeLeftovers()
  await buildImages()
}

export async function teardown(): Promise<void> {
  if (engineAvailable() === true) await removeLeftovers()
}
