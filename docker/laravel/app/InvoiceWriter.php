<?php

declare(strict_types=1);

namespace App;

use App\Models\Invoice;
use Illuminate\Database\Capsule\Manager as DB;

/**
 * Writes invoices in the two ways that Laravel treats differently when a connection is lost: a statement of its own is
 * run again on a new connection, a transaction throws. There is no reconnect code here: what is shown is Laravel's.
 */
final class InvoiceWriter
{
    private const CUSTOMERS = ['Alder & Sons', 'Birch Bakery', 'Cedar Cycles', 'Dogwood Dairy', 'Elm Electrics'];

    /** One INSERT outside of a transaction. Returns the name of the server that executed it. */
    public function writeAlone(string $number): string
    {
        // RETURNING, not a second query: after a failover that could be answered by another server.
        $row = DB::connection()->selectOne(
            'insert into invoices (number, customer, amount_cents) values (?, ?, ?) returning node',
            [$number, $this->customer(), random_int(100, 99_999)],
            false,
        );

        return $row->node;
    }

    /** An invoice and its lines in one transaction, with Eloquent. Returns the name of the server that executed it. */
    public function writeWithLines(string $number): string
    {
        return DB::connection()->transaction(function () use ($number): string {
            $amounts = [random_int(100, 9_999), random_int(100, 9_999), random_int(100, 9_999)];
            $invoice = Invoice::create([
                'number' => $number,
                'customer' => $this->customer(),
                'amount_cents' => array_sum($amounts),
            ]);
            foreach ($amounts as $index => $amount) {
                $position = $index + 1;
                $invoice->lines()->create([
                    'position' => $position,
                    'description' => "Item {$position}",
                    'amount_cents' => $amount,
                ]);
            }

            return $invoice->refresh()->node;
        });
    }

    private function customer(): string
    {
        return self::CUSTOMERS[array_rand(self::CUSTOMERS)];
    }
}
