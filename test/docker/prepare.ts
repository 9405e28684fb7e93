/**
 * Runs once before all container tests and once after them: images are built, leftovers removed. Test support.
 */
import process from 'node:process'
import { engineAvailable, RUN_VARIABLE, removeLeftovers, removeOwn } from './engine.ts'
import { buildImages } from './images.ts'

export async function setup(): Promise<void> {
  // Each test file says for itself that it is left out.
  if (engineAvailable() !== true) return
  process.env[RUN_VARIABLE] = String(process.pid)
  await removeLeftovers()
  await buildImages()
}

export async function teardown(): Promise<void> {
  if (engineAvailable() === true) await removeOwn()
}
